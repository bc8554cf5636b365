// Light, dark, or as the system says. Loaded before the first paint, so that no page flashes.
// The key in localStorage and its values are those of the administration, so that one choice holds for both.
"use strict";
(() => {
  const root = document.documentElement;

  function chosen() {
    try {
      return localStorage.getItem("theme") || "auto";
    } catch {
      return "auto"; // storage is forbidden: private windows, some frames
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
      // Lasts for this page only.
    }
  });
  addEventListener("storage", () => apply(chosen())); // other tabs, and the viewer in its frame
  document.addEventListener("DOMContentLoaded", () => apply(chosen()));
  apply(chosen());
})();
