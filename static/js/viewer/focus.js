// Move the keyboard focus out of the screen with Ctrl+Alt+Shift, pressed and released. Tab goes to the desktop.
import { say } from "./config.js";

const EXIT_KEYS = ["Control", "Alt", "Shift"];

export function guardFocus(lifecycle, screen, onLeave) {
  lifecycle.addEventListener("connected", () => prepare(screen, lifecycle.rfb));
  let armed = false;
  addEventListener("keydown", (event) => {
    const all = event.ctrlKey && event.altKey && event.shiftKey;
    armed = all && (EXIT_KEYS.includes(event.key) || event.key === "Meta" || event.key === "AltGraph");
  }, { capture: true });
  addEventListener("keyup", (event) => {
    if (armed && EXIT_KEYS.includes(event.key)) setTimeout(onLeave);
    armed = false;
  }, { capture: true });
}

function prepare(screen, rfb) {
  const canvas = screen.querySelector("canvas");
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-label", say("screen"));
  canvas.setAttribute("aria-describedby", "keyboard-hint");
  // noVNC releases keys only when the window loses the focus. Without this, a key held while the focus moves to the
  // toolbar would stay down.
  canvas.addEventListener("blur", () => dispatchEvent(new FocusEvent("blur")));
  // A frame must not take the focus from its page.
  if (document.hasFocus() && document.activeElement === document.body) rfb.focus({ preventScroll: true });
}
