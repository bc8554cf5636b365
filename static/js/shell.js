// Conveniences for the account menu, messages and dialogs. Everything also works without JavaScript.
"use strict";
(() => {
  const SUCCESS_SHOWN = 8000; // milliseconds; errors stay until they are closed

  function closeMenus(except) {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(except)) menu.open = false;
    }
  }

  document.addEventListener("click", (event) => {
    closeMenus(event.target);
    event.target.closest("[data-close-notice]")?.closest(".notice").remove();
  });
  document.addEventListener("focusin", (event) => closeMenus(event.target));
  document.addEventListener("keydown", (event) => {
    const menu = document.querySelector("details.menu[open]");
    if (event.key !== "Escape" || !menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });

  // Send a form only once. A second click would do no harm on the server.
  document.addEventListener("submit", (event) => {
    for (const button of event.target.querySelectorAll("button[data-once]")) button.disabled = true;
  });
  addEventListener("pageshow", () => {
    for (const button of document.querySelectorAll("button[data-once]")) button.disabled = false;
  });

  // Clocks in a desktop show this time zone, unless the user chose another. Captured, so that htmx reads it too.
  document.addEventListener(
    "submit",
    (event) => {
      const zone = event.target.elements?.namedItem("browser_time_zone");
      if (zone) zone.value = Intl.DateTimeFormat().resolvedOptions().timeZone || "";
    },
    true,
  );

  // Open the dialog here. Without JavaScript, the link loads the page with the dialog open.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-dialog]");
    const dialog = link && document.getElementById(link.dataset.dialog);
    if (!dialog) return;
    event.preventDefault();
    dialog.close();
    dialog.showModal();
  });
  document.addEventListener("click", (event) => {
    const close = event.target.closest("[data-close-dialog]");
    if (!close) return;
    event.preventDefault();
    close.closest("dialog").close();
  });

  document.addEventListener("DOMContentLoaded", () => {
    for (const done of document.querySelectorAll("#messages .success")) setTimeout(() => done.remove(), SUCCESS_SHOWN);
  });
})();
