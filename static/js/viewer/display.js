// How the desktop's picture meets the window, and how much of the line it may use.
import { preference, remember } from "./preferences.js";

const VIEWS = {
  match: { resizeSession: true, scaleViewport: true }, // scaled where the desktop keeps its size
  fit: { resizeSession: false, scaleViewport: true },
  actual: { resizeSession: false, scaleViewport: false },
};
const QUALITIES = { best: { quality: 9, compression: 1 }, good: { quality: 6, compression: 2 }, low: { quality: 2, compression: 9 } };

const line = navigator.connection;
const isSlow = () => Boolean(line?.saveData) || /2g|3g/.test(line?.effectiveType ?? "");

export function display(lifecycle, form) {
  const chosen = (name) => new FormData(form).get(name);
  const apply = () => {
    const { rfb } = lifecycle;
    if (!rfb) return;
    const { resizeSession, scaleViewport } = VIEWS[chosen("view")];
    rfb.scaleViewport = scaleViewport;
    rfb.resizeSession = resizeSession;
    const name = chosen("quality") === "auto" ? (isSlow() ? "low" : "good") : chosen("quality");
    rfb.qualityLevel = QUALITIES[name].quality;
    rfb.compressionLevel = QUALITIES[name].compression;
  };
  for (const name of ["view", "quality"]) choose(form, name, preference(name, null));
  form.addEventListener("change", ({ target }) => {
    remember(target.name, target.value);
    apply();
  });
  line?.addEventListener?.("change", apply);
  lifecycle.addEventListener("connected", apply);
}

function choose(form, name, value) {
  const found = [...form.elements[name]].find((choice) => choice.value === value);
  if (found) found.checked = true;
}
