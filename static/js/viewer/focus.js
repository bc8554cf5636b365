// Where the keyboard goes. Ctrl+Alt+Shift, pressed and released alone, leads out of the screen: Tab belongs to the desktop.
import { say } from "./config.js";

const LEADS_OUT = ["Control", "Alt", "Shift"];

export function guardFocus(lifecycle, screen, onLeave) {
  lifecycle.addEventListener("connected", () => prepare(screen, lifecycle.rfb));
  let armed = false;
  addEventListener("keydown", (event) => {
    const all = event.ctrlKey && event.altKey && event.shiftKey;
    armed = all && (LEADS_OUT.includes(event.key) || event.key === "Meta" || event.key === "AltGraph");
  }, { capture: true });
  addEventListener("keyup", (event) => {
    if (armed && LEADS_OUT.includes(event.key)) setTimeout(onLeave);
    armed = false;
  }, { capture: true });
}

function prepare(screen, rfb) {
  const canvas = screen.querySelector("canvas");
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-label", say("screen"));
  canvas.setAttribute("aria-describedby", "way-out");
  // noVNC releases keys only when the window loses the focus; a key held while the toolbar takes it would stay down.
  canvas.addEventListener("blur", () => dispatchEvent(new FocusEvent("blur")));
  // A frame must not take the focus from the page around it.
  if (document.hasFocus() && document.activeElement === document.body) rfb.focus({ preventScroll: true });
}
