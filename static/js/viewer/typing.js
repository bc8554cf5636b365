// The typing line. On-screen keyboards and input methods need a real text field.
import { getKeycode, getKeysym } from "../../novnc/core/input/util.js";
import KeyTable from "../../novnc/core/input/keysym.js";
import { isLetterKey } from "./keyboard.js";

const GUARD = "\u200b"; // gives Backspace something to delete: on-screen keyboards report it only as a change of text
const DELETIONS = { deleteContentBackward: KeyTable.XK_BackSpace, deleteContentForward: KeyTable.XK_Delete };

const isText = (event) => [...event.key].length === 1 && !event.ctrlKey && !event.altKey && !event.metaKey;
const isPaste = (event) => (event.ctrlKey || event.metaKey) && isLetterKey(event, "v");
const belongsToInputMethod = (event) => event.isComposing || event.keyCode === 229 || event.key === "Dead";

export class TypingLine {
  #line = document.getElementById("typing");
  #field = document.getElementById("typing-text");
  #button;
  #down = new Map(); // code -> keysym of keys that are down in the desktop
  #composing = false;

  constructor(lifecycle, sender, button) {
    this.lifecycle = lifecycle;
    this.sender = sender;
    this.#button = button;
    button.addEventListener("click", () => this.toggle());
    document.getElementById("typing-close").addEventListener("click", () => this.toggle(false));
    const on = (name, handler) => this.#field.addEventListener(name, handler);
    on("keydown", (event) => this.#keyDown(event));
    on("keyup", (event) => this.#keyUp(event));
    on("blur", () => this.#releaseAll());
    on("compositionstart", () => this.#compose(true));
    on("compositionend", () => {
      this.#compose(false);
      this.#flush();
    });
    on("beforeinput", (event) => this.#delete(event));
    on("input", () => this.#composing || this.#flush());
    lifecycle.addEventListener("connected", () => this.#updateFocusOnClick());
  }

  toggle(on = this.#line.hidden) {
    this.#line.hidden = !on;
    this.#button.setAttribute("aria-pressed", String(on));
    this.#updateFocusOnClick();
    if (!on) return this.lifecycle.rfb?.focus();
    this.#field.value = GUARD;
    this.#field.focus();
  }

  // While the line is open, a click on the screen must not take the focus, or the on-screen keyboard would close.
  #updateFocusOnClick() {
    if (this.lifecycle.rfb) this.lifecycle.rfb.focusOnClick = this.#line.hidden;
  }

  #compose(on) {
    this.#composing = on;
    this.#line.classList.toggle("composing", on);
  }

  #flush() {
    const text = this.#field.value.replaceAll(GUARD, "");
    this.#field.value = GUARD;
    if (text) this.sender.send(text);
  }

  #delete(event) {
    const keysym = DELETIONS[event.inputType];
    if (!keysym || this.#composing || this.#field.value !== GUARD) return;
    event.preventDefault();
    this.sender.key(keysym, null);
  }

  #keyDown(event) {
    if (belongsToInputMethod(event) || isText(event) || isPaste(event) || event.key === "Tab") return;
    event.preventDefault();
    const code = getKeycode(event);
    const keysym = this.#down.get(code) ?? getKeysym(event);
    if (!keysym) return;
    this.#down.set(code, keysym);
    this.sender.key(keysym, code, true);
  }

  #keyUp(event) {
    this.#release(getKeycode(event));
  }

  #release(code) {
    if (!this.#down.has(code)) return;
    this.sender.key(this.#down.get(code), code, false);
    this.#down.delete(code);
  }

  #releaseAll() {
    for (const code of [...this.#down.keys()]) this.#release(code);
  }
}
