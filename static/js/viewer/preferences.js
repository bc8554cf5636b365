// Choices that survive the page. Storage may be full, forbidden or hold nonsense: then the default counts.
const KEY = "podesk.viewer";

const load = () => {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    return {};
  }
};

export const preference = (name, fallback) => load()[name] ?? fallback;

export function remember(name, value) {
  try {
    localStorage.setItem(KEY, JSON.stringify({ ...load(), [name]: value }));
  } catch {
    // The choice holds until the page is left.
  }
}
