// The toolbar. A handle at the top edge opens it and can be moved along the edge.
import { preference, remember } from "./preferences.js";

const INTRODUCTION = 4_000; // milliseconds that the toolbar is open on the first visit
const STEP = 0.05;
const clamp = (position) => Math.min(1, Math.max(0, position));

export class Toolbar {
  #bar = document.getElementById("bar");
  #handle = document.getElementById("handle");
  #tools = document.getElementById("tools");
  #position = 0.5; // position along the edge, 0 to 1

  constructor(onCollapse) {
    this.onCollapse = onCollapse;
    this.#handle.addEventListener("click", () => this.open(!this.isOpen));
    this.#handle.addEventListener("keydown", (event) => this.#handleKey(event));
    this.#tools.addEventListener("keydown", (event) => this.#moveFocus(event));
    this.#place(preference("handle", 0.5));
    this.#makeDraggable();
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

  /** Open the toolbar on the first visit, then close it unless it is in use. */
  introduce() {
    if (preference("introduced", false)) return;
    remember("introduced", true);
    this.open(true);
    setTimeout(() => this.#bar.matches(":hover, :focus-within") || this.open(false), INTRODUCTION);
  }

  #items() {
    return [...this.#tools.querySelectorAll("button, a")].filter((item) => !item.hidden);
  }

  // Tab reaches the toolbar once, and arrow keys move inside it, as in the ARIA toolbar pattern.
  #moveFocus({ key, target }) {
    const items = this.#items();
    const current = items.indexOf(target);
    const next = { ArrowRight: current + 1, ArrowLeft: current - 1, Home: 0, End: items.length - 1 }[key];
    if (key === "Escape") return this.#leave();
    if (current < 0 || next === undefined) return;
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
    if (step) this.#save(this.#position + step);
  }

  #makeDraggable() {
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
      if (moved) this.#save(this.#position);
    });
    this.#handle.addEventListener("click", (event) => moved && event.stopImmediatePropagation(), { capture: true });
  }

  #save(position) {
    this.#place(position);
    remember("handle", this.#position);
  }

  #place(position) {
    this.#position = clamp(position);
    this.#bar.style.setProperty("--along", this.#position);
  }
}
