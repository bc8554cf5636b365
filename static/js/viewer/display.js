// How the desktop's picture fits the window, and how much bandwidth it may use.
import { preference, remember } from "./preferences.js";
import { onScreenChange, screenKey } from "./thisscreen.js";

const VIEWS = {
  match: { resizeSession: true, scaleViewport: true }, // scaled if the desktop cannot change its size
  native: { resizeSession: true, scaleViewport: true, native: true }, // one pixel for each pixel of this screen
  fit: { resizeSession: false, scaleViewport: true },
  actual: { resizeSession: false, scaleViewport: false },
};
const QUALITIES = { best: { quality: 9, compression: 1 }, good: { quality: 6, compression: 2 }, low: { quality: 2, compression: 9 } };

const network = navigator.connection;
const isSlow = () => Boolean(network?.saveData) || /2g|3g/.test(network?.effectiveType ?? "");

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
  // The view is saved for each user and screen, because several of both may share a browser.
  const key = (name) => (name === "view" ? screenKey(name) : name);
  const restore = () => {
    form.querySelector("[data-native]").hidden = devicePixelRatio === 1;
    for (const name of ["view", "quality"]) choose(form, name, preference(key(name), preference(name, null)));
  };
  restore();
  onScreenChange(() => {
    restore();
    apply();
  });
  form.addEventListener("change", ({ target }) => {
    remember(key(target.name), target.value);
    if (target.value !== "native") remember(target.name, target.value); // the default for new screens
    apply();
  });
  network?.addEventListener?.("change", apply);
  lifecycle.addEventListener("connected", apply);
}

function choose(form, name, value) {
  const found = [...form.elements[name]].find((choice) => choice.value === value);
  if (found) found.checked = true;
}
