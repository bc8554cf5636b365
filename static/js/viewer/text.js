// Text and keys from the typing line into the desktop: as keys where a keyboard has them, else pasted.
import KeyTable from "../../novnc/core/input/keysym.js";

const FETCH = 2_000; // milliseconds that a program may take to ask for a pasted text
const SETTLE = 300; // milliseconds that it may take to insert it
const KEYS = { "\n": KeyTable.XK_Return, "\r": KeyTable.XK_Return, "\t": KeyTable.XK_Tab };
const ON_KEYBOARD = /^[\n\r\t\x20-\x7e]*$/;

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

const fetched = (connection) =>
  new Promise((done) => {
    connection.addEventListener("fetched", done, { once: true });
    setTimeout(done, FETCH);
  });

export class TextSender {
  #lifecycle;
  #clipboard;
  #queue = Promise.resolve(); // one after another: a pasted text arrives later than the keys that follow it

  constructor(lifecycle, clipboard) {
    this.#lifecycle = lifecycle;
    this.#clipboard = clipboard;
  }

  /** One key, in its turn: a Backspace must not overtake the text that it corrects. */
  key(keysym, code, down) {
    return this.#enqueue((rfb) => rfb.sendKey(keysym, code, down));
  }

  send(text) {
    // As keys, characters that the desktop's keyboard layout lacks arrive slowly (see keyboard.js): a Chinese paragraph
    // is there at once when it is pasted.
    return this.#enqueue((rfb) => (ON_KEYBOARD.test(text) ? this.#type(rfb, text) : this.#paste(rfb, text)));
  }

  #enqueue(deed) {
    const inTurn = () => this.#lifecycle.rfb && deed(this.#lifecycle.rfb);
    this.#queue = this.#queue.then(inTurn).catch(console.error);
    return this.#queue;
  }

  #type(rfb, text) {
    for (const character of text) rfb.sendKey(KEYS[character] ?? character.codePointAt(0), null);
  }

  async #paste(rfb, text) {
    const before = this.#clipboard.offered ?? this.#clipboard.received;
    const taken = fetched(this.#lifecycle.connection);
    this.#clipboard.offer(text);
    // The one paste key that terminals and other programs have in common.
    rfb.sendKey(KeyTable.XK_Shift_L, "ShiftLeft", true);
    rfb.sendKey(KeyTable.XK_Insert, "Insert");
    rfb.sendKey(KeyTable.XK_Shift_L, "ShiftLeft", false);
    await taken;
    await pause(SETTLE);
    if (before) this.#clipboard.offer(before);
  }
}
