// Send text and keys from the typing line to the desktop. Text that a US keyboard can type is sent as keys, other text
// is pasted.
import KeyTable from "../../novnc/core/input/keysym.js";

const FETCH_TIMEOUT = 2_000; // milliseconds for a program to request pasted text
const INSERT_TIME = 300; // milliseconds for the program to insert it
const KEYS = { "\n": KeyTable.XK_Return, "\r": KeyTable.XK_Return, "\t": KeyTable.XK_Tab };
const ON_KEYBOARD = /^[\n\r\t\x20-\x7e]*$/;

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

const fetched = (connection) =>
  new Promise((done) => {
    connection.addEventListener("fetched", done, { once: true });
    setTimeout(done, FETCH_TIMEOUT);
  });

export class TextSender {
  #lifecycle;
  #clipboard;
  #queue = Promise.resolve(); // one after another, because pasting takes longer than sending the keys that follow

  constructor(lifecycle, clipboard) {
    this.#lifecycle = lifecycle;
    this.#clipboard = clipboard;
  }

  /** Send one key after the text before it: a Backspace must not overtake the text that it corrects. */
  key(keysym, code, down) {
    return this.#enqueue((rfb) => rfb.sendKey(keysym, code, down));
  }

  send(text) {
    // Characters that the desktop's keyboard layout lacks are slow as keys (see keyboard.js). Pasting is immediate.
    return this.#enqueue((rfb) => (ON_KEYBOARD.test(text) ? this.#type(rfb, text) : this.#paste(rfb, text)));
  }

  #enqueue(action) {
    const inTurn = () => this.#lifecycle.rfb && action(this.#lifecycle.rfb);
    this.#queue = this.#queue.then(inTurn).catch(console.error);
    return this.#queue;
  }

  #type(rfb, text) {
    for (const character of text) rfb.sendKey(KEYS[character] ?? character.codePointAt(0), null);
  }

  async #paste(rfb, text) {
    const before = this.#clipboard.offered ?? this.#clipboard.received;
    const requested = fetched(this.#lifecycle.connection);
    this.#clipboard.offer(text);
    // Terminals and other programs all paste with Shift+Insert.
    rfb.sendKey(KeyTable.XK_Shift_L, "ShiftLeft", true);
    rfb.sendKey(KeyTable.XK_Insert, "Insert");
    rfb.sendKey(KeyTable.XK_Shift_L, "ShiftLeft", false);
    await requested;
    await pause(INSERT_TIME);
    if (before) this.#clipboard.offer(before);
  }
}
