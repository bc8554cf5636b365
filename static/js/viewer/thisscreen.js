// Identify the screen that the window is on, for choices that are saved for each user and screen.
import { config } from "./config.js";

/** Return a preference's name for this user and screen, because several users may share a browser. */
export const screenKey = (name) => `${name} ${config.person} ${screen.width}x${screen.height} ${devicePixelRatio}`;

/** Call `act` when the window moves to another screen or the page is zoomed. */
export function onScreenChange(act) {
  matchMedia(`(resolution: ${devicePixelRatio}dppx)`).addEventListener(
    "change",
    () => {
      act();
      onScreenChange(act);
    },
    { once: true },
  );
}
