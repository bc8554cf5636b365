// The paste box: the way for text where the browser keeps its clipboard to itself.
import { say } from "./config.js";

export function pasteBox(clipboard, lifecycle) {
  const box = document.getElementById("paste-text");
  const status = document.getElementById("paste-status");
  const automatic = document.getElementById("paste-automatic");
  automatic.checked = clipboard.automatic;
  automatic.addEventListener("change", () => (clipboard.automatic = automatic.checked));

  let own = false; // typed here and not sent yet: nothing that arrives may replace it
  box.addEventListener("input", () => {
    own = box.value !== "";
    status.textContent = "";
  });
  clipboard.addEventListener("received", () => {
    if (own) return void (status.textContent = say("pasteWaits"));
    box.value = clipboard.received;
    status.textContent = say("pasteReceived");
  });
  document.getElementById("paste-send").addEventListener("click", () => {
    if (!clipboard.offer(box.value)) return void (status.textContent = say("pasteTooLong"));
    own = false;
    status.textContent = say(lifecycle.rfb ? "pasteSent" : "pasteLater");
  });
  document.getElementById("paste-copy").addEventListener("click", async () => {
    box.select();
    try {
      await navigator.clipboard.writeText(box.value);
      status.textContent = say("pasteCopied");
    } catch {
      status.textContent = say("pasteSelected"); // it is selected: the person's own copy key does the rest
    }
  });
}
