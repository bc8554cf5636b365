// Adapt key events to the desktop: translate shortcuts on layouts without Latin letters, and limit the rate of new
// characters to what the desktop can process. It has no imports, because the noVNC page in the desktop image uses it too.

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

/** Return whether this event is for the key of a Latin letter, on any keyboard layout. */
export const isLetterKey = ({ key, code }, letter) =>
  key.toLowerCase() === letter || ([...key].length === 1 && FOREIGN.test(key) && code === `Key${letter.toUpperCase()}`);

/** Send Ctrl+С on a Russian layout as Ctrl+C: while Ctrl, Alt or Super is down, keys have their meaning on a US layout. */
class Shortcuts {
  #down = new Map(); // code -> keysym that is down in the desktop

  translate(keysym, code, down) {
    const id = code ?? keysym;
    const sent = this.#down.get(id) ?? this.#translated(keysym, code);
    if (down) this.#down.set(id, sent);
    else this.#down.delete(id);
    return sent;
  }

  #translated(keysym, code) {
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
  return keysym > 0x3ff && keysym < 0xfe00; // legacy keysyms: Latin scripts first, function keys last
};

// The desktop assigns an unused key code to each character that its layout lacks, and frees the codes that were unused
// for the longest time (session/keycodes.py). People never type fast enough to wait here, but programs may.
const BURST = 20; // new characters at once
const PER_SECOND = 25; // new characters after the burst
const MAX_KNOWN = 50; // characters that certainly still have a key code

class RateLimit {
  #known = new Set(); // in order of last use
  #left = BURST;
  #since = performance.now();

  /** Return the milliseconds to wait before this key. */
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
    if (this.#known.size > MAX_KNOWN) this.#known.delete(this.#known.values().next().value);
  }
}

const isOnEveryKeyboard = (keysym) => keysym < 0x80 || (keysym >= 0xfe00 && keysym <= 0xffff);

/** Adapt all keys of this connection (noVNC's RFB object) and send them in order.
    Adds `rfb.holdKeys(promise)`, which holds back later keys until the promise settles. */
export function adaptKeyboard(rfb, canvas) {
  const send = rfb.sendKey.bind(rfb);
  const shortcuts = new Shortcuts();
  const rateLimit = new RateLimit();
  const waiting = [];

  const sendWaiting = () => {
    while (waiting.length > 0) {
      if (waiting[0] instanceof Promise) return void waiting[0].then(sendNext);
      const [keysym, code, down] = waiting[0];
      const wait = down ? rateLimit.wait(keysym) : 0;
      if (wait > 0) return void setTimeout(sendWaiting, wait);
      if (down) rateLimit.note(keysym);
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

// noVNC supports keys of one UTF-16 unit only. Some keys produce more: emoji, the Arabic lam-alef, an unused dead accent.
function typeSeveral(rfb, event) {
  if (event.key.length < 2 || NAMED_KEY.test(event.key) || event.isComposing) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  for (const character of event.key) rfb.sendKey(unicodeKeysym(character.codePointAt(0)), null);
}

const NAMED_KEY = /^[A-Z][A-Za-z0-9]*$/; // "Enter", "F1"
const unicodeKeysym = (codepoint) => (codepoint > 0xff ? 0x1000000 + codepoint : codepoint);
