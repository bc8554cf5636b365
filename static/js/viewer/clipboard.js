// Share text between the clipboards of this device and the desktop: decide which is newer, and transfer it.
import KeyTable from "../../novnc/core/input/keysym.js";
import { getKeysym } from "../../novnc/core/input/util.js";
import { isLetterKey } from "./keyboard.js";
import { preference, remember } from "./preferences.js";

const MAX_BYTES = 8 * 1024 ** 2; // the same limit as Xvnc's -MaxCutText in desktops
const PASTE_EVENT_TIMEOUT = 100; // milliseconds for the browser to fire "paste", if it does

// Browsers may return other line ends than they were given, such as CR LF on Windows.
const isSame = (text, other) => text.replace(/\r\n?/g, "\n") === other.replace(/\r\n?/g, "\n");

const isPasteKey = (event) =>
  !event.altKey && !event.metaKey &&
  ((event.ctrlKey && isLetterKey(event, "v")) || (event.shiftKey && !event.ctrlKey && event.key === "Insert"));

const mayReadSilently = async () => {
  try {
    return (await navigator.permissions.query({ name: "clipboard-read" })).state === "granted";
  } catch {
    return false; // Firefox and Safari ask each time; use the paste keys or the clipboard panel there
  }
};

export class Clipboard extends EventTarget {
  #lifecycle;
  #lastRead = ""; // the text in this device's clipboard when we last read it
  offered = null; // text that the desktop can request from us
  received = ""; // the desktop's latest text

  /** Emits "received" when the desktop's clipboard changed. */
  constructor(lifecycle) {
    super();
    this.#lifecycle = lifecycle;
    lifecycle.addEventListener("connected", ({ detail: rfb }) => this.#connected(rfb));
    addEventListener("focus", () => this.pull());
    addEventListener("keydown", (event) => this.#pasteKey(event), { capture: true });
  }

  get automatic() {
    return preference("clipboard", true);
  }

  set automatic(on) {
    remember("clipboard", on);
    if (on) this.pull({ ask: true });
  }

  /** Put `text` into the desktop's clipboard, now or when connected again. Return false if it is too long. */
  offer(text) {
    if (new TextEncoder().encode(text).length > MAX_BYTES) return false;
    this.offered = text;
    this.#lifecycle.rfb?.clipboardPasteFrom(text);
    return true;
  }

  /** Offer the text in this device's clipboard, if the browser lets us read it. */
  async pull({ ask = false } = {}) {
    if (!this.automatic || !navigator.clipboard?.readText || !(ask || (await mayReadSilently()))) return;
    try {
      this.#offerIfNew(await navigator.clipboard.readText());
    } catch {
      // The browser refused, or the window lost the focus.
    }
  }

  #connected(rfb) {
    rfb.addEventListener("clipboard", ({ detail }) => this.#receive(detail.text));
    // The desktop requests the text only when it is pasted, so a new connection must offer it again.
    if (this.offered !== null) rfb.clipboardPasteFrom(this.offered);
    else this.pull();
  }

  async #receive(text) {
    this.received = text;
    this.offered = null;
    this.dispatchEvent(new Event("received"));
    if (!this.automatic) return;
    try {
      await navigator.clipboard.writeText(text);
      this.#lastRead = text;
    } catch {
      // The browser refused, or the window has no focus. The clipboard panel has the text.
    }
  }

  #offerIfNew(text) {
    // Unchanged since the last read, so the desktop's own clipboard may be newer.
    if (!text || isSame(text, this.#lastRead) || isSame(text, this.received)) return;
    this.#lastRead = text;
    this.offer(text);
  }

  // Keep the key from noVNC and let the browser paste, which needs no permission. Then send the key.
  #pasteKey(event) {
    const { rfb } = this.#lifecycle;
    if (!rfb || !this.automatic || !isPasteKey(event) || !event.target.matches("#screen canvas")) return;
    event.stopImmediatePropagation();
    const code = event.key === "Insert" ? "Insert" : "KeyV";
    let send;
    rfb.holdKeys(new Promise((done) => (send = done))); // holds back the release of Ctrl too
    rfb.sendKey(code === "Insert" ? KeyTable.XK_Insert : getKeysym(event), code);
    const timer = setTimeout(send, PASTE_EVENT_TIMEOUT);
    const onPaste = (paste) => {
      paste.preventDefault();
      clearTimeout(timer);
      this.#offerIfNew(paste.clipboardData.getData("text/plain"));
      send();
    };
    addEventListener("paste", onPaste, { capture: true, once: true });
    setTimeout(() => removeEventListener("paste", onPaste, { capture: true }), PASTE_EVENT_TIMEOUT);
  }
}
