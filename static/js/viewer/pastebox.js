// The text box of the clipboard panel, for browsers that do not share their clipboard.
import { say } from "./config.js";

export function pasteBox(clipboard, lifecycle) {
  const box = document.getElementById("paste-text");
  const status = document.getElementById("paste-status");
  const automatic = document.getElementById("paste-automatic");
  automatic.checked = clipboard.automatic;
  automatic.addEventListener("change", () => (clipboard.automatic = automatic.checked));

  let unsent = false; // typed here and not sent yet: text from the desktop must not replace it
  box.addEventListener("input", () => {
    unsent = box.value !== "";
    status.textContent = "";
  });
  clipboard.addEventListener("received", () => {
    if (unsent) return void (status.textContent = say("pasteHeldBack"));
    box.value = clipboard.received;
    status.textContent = say("pasteReceived");
  });
  document.getElementById("paste-send").addEventListener("click", () => {
    if (!clipboard.offer(box.value)) return void (status.textContent = say("pasteTooLong"));
    unsent = false;
    status.textContent = say(lifecycle.rfb ? "pasteSent" : "pasteLater");
  });
  document.getElementById("paste-copy").addEventListener("click", async () => {
    box.select();
    try {
      await navigator.clipboard.writeText(box.value);
      status.textContent = say("pasteCopied");
    } catch {
      status.textContent = say("pasteSelected"); // the text is selected for the user's own copy key
    }
  });
}
