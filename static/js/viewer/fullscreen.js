// Full screen, with the keys that a browser otherwise keeps where it lets them go.
import { say } from "./config.js";

export function fullScreen(button) {
  const root = document.documentElement;
  if (!document.fullscreenEnabled) return void (button.hidden = true);
  const label = button.querySelector("[data-label]");
  button.addEventListener("click", async () => {
    try {
      if (document.fullscreenElement) return await document.exitFullscreen();
      await root.requestFullscreen({ navigationUI: "hide" });
      await navigator.keyboard?.lock?.();
    } catch {
      // The browser said no; its own menu still offers full screen.
    }
  });
  document.addEventListener("fullscreenchange", () => {
    const on = Boolean(document.fullscreenElement);
    if (!on) navigator.keyboard?.unlock?.();
    button.setAttribute("aria-pressed", String(on));
    label.textContent = say(on ? "leaveFullScreen" : "fullScreen");
  });
}
