// The two clipboards, this machine's and the desktop's: which text is newer, and how it gets across.
import KeyTable from "../../novnc/core/input/keysym.js";
import { getKeysym } from "../../novnc/core/input/util.js";
import { isLetterKey } from "./keyboard.js";
import { preference, remember } from "./preferences.js";

const LONGEST = 8 * 1024 ** 2; // bytes; desktops are started to take as much (-MaxCutText)
const PASTE_EVENT = 100; // milliseconds in which a browser that means to fires "paste"

// Browsers answer with other line ends than they were given: on Windows with CR LF.
const isSame = (text, other) => text.replace(/\r\n?/g, "\n") === other.replace(/\r\n?/g, "\n");

const isPasteKey = (event) =>
  !event.altKey && !event.metaKey &&
  ((event.ctrlKey && isLetterKey(event, "v")) || (event.shiftKey && !event.ctrlKey && event.key === "Insert"));

const mayReadSilently = async () => {
  try {
    return (await navigator.permissions.query({ name: "clipboard-read" })).state === "granted";
  } catch {
    return false; // Firefox and Safari ask each time: there the paste keys and the box do it
  }
};

export class Clipboard extends EventTarget {
  #lifecycle;
  #seen = ""; // what this machine's clipboard held when we last looked
  offered = null; // text that the desktop may fetch from us
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

  /** Put `text` into the desktop's clipboard, now or when connected again; false when it is too long. */
  offer(text) {
    if (new TextEncoder().encode(text).length > LONGEST) return false;
    this.offered = text;
    this.#lifecycle.rfb?.clipboardPasteFrom(text);
    return true;
  }

  /** Offer what this machine's clipboard holds, where the browser lets us look. */
  async pull({ ask = false } = {}) {
    if (!this.automatic || !navigator.clipboard?.readText || !(ask || (await mayReadSilently()))) return;
    try {
      this.#offerIfNew(await navigator.clipboard.readText());
    } catch {
      // Refused, or the window lost its focus meanwhile.
    }
  }

  #connected(rfb) {
    rfb.addEventListener("clipboard", ({ detail }) => this.#receive(detail.text));
    // The desktop fetches a text only when something is pasted there: a new connection must offer it again.
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
      this.#seen = text;
    } catch {
      // Not allowed here, or the window has no focus: the box has the text.
    }
  }

  #offerIfNew(text) {
    // Unchanged since the last look: then the desktop's own clipboard may be the newer one.
    if (!text || isSame(text, this.#seen) || isSame(text, this.received)) return;
    this.#seen = text;
    this.offer(text);
  }

  // noVNC would swallow the key. Let the browser paste instead, which needs no permission, then send the key.
  #pasteKey(event) {
    const { rfb } = this.#lifecycle;
    if (!rfb || !this.automatic || !isPasteKey(event) || !event.target.matches("#screen canvas")) return;
    event.stopImmediatePropagation();
    const code = event.key === "Insert" ? "Insert" : "KeyV";
    let send;
    rfb.holdKeys(new Promise((done) => (send = done))); // a Ctrl that is released meanwhile waits too
    rfb.sendKey(code === "Insert" ? KeyTable.XK_Insert : getKeysym(event), code);
    const timer = setTimeout(send, PASTE_EVENT);
    const onPaste = (paste) => {
      paste.preventDefault();
      clearTimeout(timer);
      this.#offerIfNew(paste.clipboardData.getData("text/plain"));
      send();
    };
    addEventListener("paste", onPaste, { capture: true, once: true });
    setTimeout(() => removeEventListener("paste", onPaste, { capture: true }), PASTE_EVENT);
  }
}
