// The toolbar: a handle at the top edge that opens it, slides along the edge, and stays out of the way.
import { preference, remember } from "./preferences.js";

const FIRST_LOOK = 4_000; // milliseconds that it shows itself to a person who has not seen it
const STEP = 0.05;
const clamp = (share) => Math.min(1, Math.max(0, share));

export class Toolbar {
  #bar = document.getElementById("bar");
  #handle = document.getElementById("handle");
  #tools = document.getElementById("tools");
  #share = 0.5; // where along the edge, 0 to 1

  constructor(onCollapse) {
    this.onCollapse = onCollapse;
    this.#handle.addEventListener("click", () => this.open(!this.isOpen));
    this.#handle.addEventListener("keydown", (event) => this.#handleKey(event));
    this.#tools.addEventListener("keydown", (event) => this.#walk(event));
    this.#place(preference("handle", 0.5));
    this.#slide();
  }

  get isOpen() {
    return !this.#tools.hidden;
  }

  open(on) {
    this.#tools.hidden = !on;
    this.#bar.toggleAttribute("data-open", on);
    this.#handle.setAttribute("aria-expanded", String(on));
    if (!on) this.onCollapse();
  }

  enter() {
    this.open(true);
    this.#items().find((item) => item.tabIndex === 0)?.focus();
  }

  /** Show once what there is, then make room, unless somebody is using it. */
  introduce() {
    if (preference("introduced", false)) return;
    remember("introduced", true);
    this.open(true);
    setTimeout(() => this.#bar.matches(":hover, :focus-within") || this.open(false), FIRST_LOOK);
  }

  #items() {
    return [...this.#tools.querySelectorAll("button, a")].filter((item) => !item.hidden);
  }

  // One stop for Tab, arrows inside, as a toolbar should.
  #walk({ key, target }) {
    const items = this.#items();
    const here = items.indexOf(target);
    const next = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: items.length - 1 }[key];
    if (key === "Escape") return this.#leave();
    if (here < 0 || next === undefined) return;
    items.forEach((item) => (item.tabIndex = -1));
    const item = items[(next + items.length) % items.length];
    item.tabIndex = 0;
    item.focus();
  }

  #leave() {
    this.open(false);
    this.#handle.focus();
  }

  #handleKey({ key }) {
    const step = { ArrowLeft: -STEP, ArrowRight: STEP }[key];
    if (step) this.#keep(this.#share + step);
  }

  #slide() {
    let from = null;
    let moved = false;
    this.#handle.addEventListener("pointerdown", (event) => {
      from = event.clientX;
      moved = false;
      this.#handle.setPointerCapture(event.pointerId);
    });
    this.#handle.addEventListener("pointermove", ({ clientX }) => {
      if (from === null || (!moved && Math.abs(clientX - from) < 6)) return;
      moved = true;
      this.#place(clientX / innerWidth);
    });
    this.#handle.addEventListener("pointerup", () => {
      from = null;
      if (moved) this.#keep(this.#share);
    });
    this.#handle.addEventListener("click", (event) => moved && event.stopImmediatePropagation(), { capture: true });
  }

  #keep(share) {
    this.#place(share);
    remember("handle", this.#share);
  }

  #place(share) {
    this.#share = clamp(share);
    this.#bar.style.setProperty("--along", this.#share);
  }
}
