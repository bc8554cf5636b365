// Light, dark, or the system's theme. Loaded before the first paint, so that pages do not flash.
// Django's administration uses the same key in localStorage with the same values, so one choice applies to both.
"use strict";
(() => {
  const root = document.documentElement;

  function chosen() {
    try {
      return localStorage.getItem("theme") || "auto";
    } catch {
      return "auto"; // storage is blocked, as in private windows and some frames
    }
  }

  function apply(theme) {
    if (theme === "auto") delete root.dataset.theme;
    else root.dataset.theme = theme;
    for (const button of document.querySelectorAll("[data-set-theme]")) {
      button.setAttribute("aria-pressed", String(button.dataset.setTheme === theme));
    }
  }

  document.addEventListener("click", (event) => {
    const theme = event.target.closest("[data-set-theme]")?.dataset.setTheme;
    if (!theme) return;
    apply(theme);
    try {
      localStorage.setItem("theme", theme);
    } catch {
      // The choice applies to this page only.
    }
  });
  addEventListener("storage", () => apply(chosen())); // other tabs, and the viewer in its frame
  document.addEventListener("DOMContentLoaded", () => apply(chosen()));
  apply(chosen());
})();
