// Ask before the window of a desktop in use closes, because Ctrl+W may be meant for a program in the desktop.
const LEAVING_LINK = "a[href]:not([target=_blank], [download])";

/** Do not ask after a click on a link or the submission of a form, in the viewer or in its page. */
export function guardLeaving(lifecycle, screen) {
  let intended = false;
  const noteClick = (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (event.target.closest?.(LEAVING_LINK)) intended = true;
  };
  for (const page of new Set([document, window.parent.document])) {
    page.addEventListener("click", noteClick);
    page.addEventListener("submit", () => (intended = true), { capture: true }); // htmx may leave the page after the answer
  }
  // The desktop is in use again, so ask the next time.
  for (const name of ["keydown", "pointerdown"]) screen.addEventListener(name, () => (intended = false), { capture: true });
  addEventListener("beforeunload", (event) => {
    if (!lifecycle.rfb || intended) return;
    event.preventDefault();
    event.returnValue = true; // for older browsers
  });
}
