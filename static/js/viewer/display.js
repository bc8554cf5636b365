// How the desktop's picture meets the window, and how much of the line it may use.
import { preference, remember } from "./preferences.js";
import { ofThisScreen, onOtherScreen } from "./thisscreen.js";

const VIEWS = {
  match: { resizeSession: true, scaleViewport: true }, // scaled where the desktop keeps its size
  native: { resizeSession: true, scaleViewport: true, native: true }, // a dot for each of this screen's
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
    const { resizeSession, scaleViewport, native = false } = VIEWS[chosen("view")];
    rfb.scaleViewport = scaleViewport;
    rfb.native = native;
    rfb.resizeSession = resizeSession;
    const name = chosen("quality") === "auto" ? (isSlow() ? "low" : "good") : chosen("quality");
    rfb.qualityLevel = QUALITIES[name].quality;
    rfb.compressionLevel = QUALITIES[name].compression;
  };
  // Pixels belong to a screen, and the choice to a person: both may share a browser with others.
  const key = (name) => (name === "view" ? ofThisScreen(name) : name);
  const recall = () => {
    form.querySelector("[data-native]").hidden = devicePixelRatio === 1;
    for (const name of ["view", "quality"]) choose(form, name, preference(key(name), preference(name, null)));
  };
  recall();
  onOtherScreen(() => {
    recall();
    apply();
  });
  form.addEventListener("change", ({ target }) => {
    remember(key(target.name), target.value);
    if (target.value !== "native") remember(target.name, target.value); // for screens that are new
    apply();
  });
  line?.addEventListener?.("change", apply);
  lifecycle.addEventListener("connected", apply);
}

function choose(form, name, value) {
  const found = [...form.elements[name]].find((choice) => choice.value === value);
  if (found) found.checked = true;
}
