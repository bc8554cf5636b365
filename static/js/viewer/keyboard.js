// What a keyboard sends, made so that the desktop understands it: shortcuts on a layout without Latin letters, and no
// more new characters at once than the desktop can learn. Imports nothing: the desktop image's own page uses it too.

const CONTROLS = [0xffe3, 0xffe4, 0xffe7, 0xffe8, 0xffe9, 0xffea, 0xffeb, 0xffec]; // Control, Meta, Alt, Super
const SHIFTS = [0xffe1, 0xffe2];
const US_LAYOUT = {
  Backquote: "`~", Minus: "-_", Equal: "=+", BracketLeft: "[{", BracketRight: "]}", Backslash: "\\|", Semicolon: ";:",
  Quote: "'\"", Comma: ",<", Period: ".>", Slash: "/?",
};
for (const letter of "ABCDEFGHIJKLMNOPQRSTUVWXYZ") US_LAYOUT[`Key${letter}`] = letter.toLowerCase() + letter;
[...")!@#$%^&*("].forEach((shifted, digit) => (US_LAYOUT[`Digit${digit}`] = digit + shifted));

let capsLock = false;
addEventListener("keydown", (event) => (capsLock = event.getModifierState("CapsLock")), { capture: true });

const FOREIGN = /[^\p{Script=Latin}\x00-\xff]/u;

/** Does this event press the key of a Latin letter, also on a layout that has another script in its place? */
export const isLetterKey = ({ key, code }, letter) =>
  key.toLowerCase() === letter || ([...key].length === 1 && FOREIGN.test(key) && code === `Key${letter.toUpperCase()}`);

/** Ctrl+С on a Russian layout is Ctrl+C: while Ctrl, Alt or Super is down, keys mean what a US keyboard has there. */
class Shortcuts {
  #down = new Map(); // code -> keysym that the desktop holds for it

  translate(keysym, code, down) {
    const id = code ?? keysym;
    const sent = this.#down.get(id) ?? this.#meant(keysym, code);
    if (down) this.#down.set(id, sent);
    else this.#down.delete(id);
    return sent;
  }

  #meant(keysym, code) {
    const pair = US_LAYOUT[code];
    if (!pair || !isForeign(keysym) || !this.#holds(CONTROLS)) return keysym;
    const isShifted = this.#holds(SHIFTS) !== (capsLock && code.startsWith("Key"));
    return pair.charCodeAt(isShifted ? 1 : 0);
  }

  #holds(keysyms) {
    return [...this.#down.values()].some((keysym) => keysyms.includes(keysym));
  }
}

const isForeign = (keysym) => {
  if (keysym > 0x1000000 && keysym <= 0x110ffff) return FOREIGN.test(String.fromCodePoint(keysym - 0x1000000));
  return keysym > 0x3ff && keysym < 0xfe00; // older numbers: Latin scripts first, function keys last
};

// The desktop takes an unused key code for each character that its layout lacks, and frees codes that were not used for
// long (session/keycodes.py). Text that a person types never waits here; what a program types may.
const BURST = 20; // new characters at once
const PER_SECOND = 25; // and after that
const KNOWN = 50; // characters that the desktop surely remembers

class Pace {
  #known = new Set(); // last used last
  #left = BURST;
  #since = performance.now();

  /** Milliseconds to wait before this key. */
  wait(keysym) {
    if (isOnEveryKeyboard(keysym) || this.#known.has(keysym)) return 0;
    const now = performance.now();
    this.#left = Math.min(BURST, this.#left + ((now - this.#since) / 1000) * PER_SECOND);
    this.#since = now;
    return this.#left >= 1 ? 0 : ((1 - this.#left) / PER_SECOND) * 1000;
  }

  note(keysym) {
    if (isOnEveryKeyboard(keysym)) return;
    if (!this.#known.delete(keysym)) this.#left -= 1;
    this.#known.add(keysym);
    if (this.#known.size > KNOWN) this.#known.delete(this.#known.values().next().value);
  }
}

const isOnEveryKeyboard = (keysym) => keysym < 0x80 || (keysym >= 0xfe00 && keysym <= 0xffff);

/** From now on all keys of this connection (noVNC's RFB object) are sent this way, in the order in which they come.
    Adds `rfb.holdKeys(promise)`: later keys wait until then. */
export function adaptKeyboard(rfb, canvas) {
  const send = rfb.sendKey.bind(rfb);
  const shortcuts = new Shortcuts();
  const pace = new Pace();
  const waiting = [];

  const sendWaiting = () => {
    while (waiting.length > 0) {
      if (waiting[0] instanceof Promise) return void waiting[0].then(sendNext);
      const [keysym, code, down] = waiting[0];
      const wait = down ? pace.wait(keysym) : 0;
      if (wait > 0) return void setTimeout(sendWaiting, wait);
      if (down) pace.note(keysym);
      send(keysym, code, down);
      waiting.shift();
    }
  };
  const sendNext = () => {
    waiting.shift();
    sendWaiting();
  };
  const enqueue = (entry) => waiting.push(entry) === 1 && sendWaiting();
  rfb.holdKeys = enqueue;
  rfb.sendKey = (keysym, code, down) => {
    if (down === undefined) {
      rfb.sendKey(keysym, code, true);
      rfb.sendKey(keysym, code, false);
      return;
    }
    enqueue([shortcuts.translate(keysym, code, down), code, down]);
  };
  canvas.addEventListener("keydown", (event) => typeSeveral(rfb, event), { capture: true });
}

// noVNC knows keys of one UTF-16 unit. Others exist: emoji, the Arabic lam-alef, an accent and a letter without it.
function typeSeveral(rfb, event) {
  if (event.key.length < 2 || NAMED_KEY.test(event.key) || event.isComposing) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  for (const character of event.key) rfb.sendKey(unicodeKeysym(character.codePointAt(0)), null);
}

const NAMED_KEY = /^[A-Z][A-Za-z0-9]*$/; // "Enter", "F1"
const unicodeKeysym = (codepoint) => (codepoint > 0xff ? 0x1000000 + codepoint : codepoint);
