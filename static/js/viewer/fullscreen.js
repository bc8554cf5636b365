// Full screen, with the keys that a browser otherwise keeps where it lets them go.
import { say } from "./config.js";

const keyboard = window.top.navigator.keyboard; // frames have none of their own; the page around us is the portal's

export function fullScreen(button) {
  const root = document.documentElement;
  if (!document.fullscreenEnabled) return void (button.hidden = true);
  const label = button.querySelector("[data-label]");
  button.addEventListener("click", async () => {
    try {
      if (document.fullscreenElement) return await document.exitFullscreen();
      await root.requestFullscreen({ navigationUI: "hide" });
      await keyboard?.lock?.();
    } catch {
      // The browser said no; its own menu still offers full screen.
    }
  });
  document.addEventListener("fullscreenchange", () => {
    const on = Boolean(document.fullscreenElement);
    if (!on) keyboard?.unlock?.();
    button.setAttribute("aria-pressed", String(on));
    label.textContent = say(on ? "leaveFullScreen" : "fullScreen");
  });
}
