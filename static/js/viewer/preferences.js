// Choices that are saved in the browser. If storage is full, blocked or damaged, the defaults apply.
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
    // The choice applies until the page is closed.
  }
}
