// The account menu and the messages: small conveniences on top of what works without script.
"use strict";
(() => {
  const SUCCESS_STAYS = 8000; // milliseconds; errors stay until they are closed

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

  // A second click on a plain form does no harm on the server; here it does not even leave the page.
  document.addEventListener("submit", (event) => {
    for (const button of event.target.querySelectorAll("button[data-once]")) button.disabled = true;
  });
  addEventListener("pageshow", () => {
    for (const button of document.querySelectorAll("button[data-once]")) button.disabled = false;
  });

  // Clocks in a desktop show this zone, unless the person has chosen another. First of all, before htmx reads the form.
  document.addEventListener(
    "submit",
    (event) => {
      const zone = event.target.elements?.namedItem("browser_time_zone");
      if (zone) zone.value = Intl.DateTimeFormat().resolvedOptions().timeZone || "";
    },
    true,
  );

  // Opens what the server would open after following the link.
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
    for (const done of document.querySelectorAll("#messages .success")) setTimeout(() => done.remove(), SUCCESS_STAYS);
  });
})();
