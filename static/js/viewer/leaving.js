// A question before the window closes under a desktop in use: Ctrl+W may be meant for a program inside.
const LEADS_AWAY = "a[href]:not([target=_blank], [download])";

/** Never asks a person who pressed a link or sent a form, in the viewer or in the page around it. */
export function guardLeaving(lifecycle, screen) {
  let chosen = false;
  const choose = (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (event.target.closest?.(LEADS_AWAY)) chosen = true;
  };
  for (const page of new Set([document, window.parent.document])) {
    page.addEventListener("click", choose);
    page.addEventListener("submit", () => (chosen = true), { capture: true }); // htmx may lead away after its answer
  }
  // Back at work: the next end of the window is a surprise again.
  for (const name of ["keydown", "pointerdown"]) screen.addEventListener(name, () => (chosen = false), { capture: true });
  addEventListener("beforeunload", (event) => {
    if (!lifecycle.rfb || chosen) return;
    event.preventDefault();
    event.returnValue = true; // older browsers look at this alone
  });
}
