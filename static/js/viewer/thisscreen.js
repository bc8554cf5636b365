// The screen that the window is on, for choices that are remembered for each person and screen.
import { config } from "./config.js";

/** A person may share a browser with others, and a window may move between screens. */
export const ofThisScreen = (name) => `${name} ${config.person} ${screen.width}x${screen.height} ${devicePixelRatio}`;

/** Calls `act` whenever the window was moved to another screen, or the page was zoomed. */
export function onOtherScreen(act) {
  matchMedia(`(resolution: ${devicePixelRatio}dppx)`).addEventListener(
    "change",
    () => {
      act();
      onOtherScreen(act);
    },
    { once: true },
  );
}
