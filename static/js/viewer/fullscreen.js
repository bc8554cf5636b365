// Full screen, with the shortcuts that the browser otherwise keeps, if it supports keyboard lock.
import { say } from "./config.js";

const keyboard = window.top.navigator.keyboard; // only the top window has one; it is always a page of the portal

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
      // The browser refused. Its own menu still offers full screen.
    }
  });
  document.addEventListener("fullscreenchange", () => {
    const on = Boolean(document.fullscreenElement);
    if (!on) keyboard?.unlock?.();
    button.setAttribute("aria-pressed", String(on));
    label.textContent = say(on ? "leaveFullScreen" : "fullScreen");
  });
}
