// Panels below the toolbar. One is open at a time, Escape closes it, and the focus returns to its button.
export class Panels {
  #open = null;

  /** Buttons have aria-controls. `onOpen` is called with the panel's id. */
  constructor(toolbar, onOpen) {
    this.buttons = [...toolbar.querySelectorAll("[aria-controls][aria-expanded]")];
    this.onOpen = onOpen;
    for (const button of this.buttons) {
      const panel = this.#panelOf(button);
      button.addEventListener("click", () => (this.#open === button ? this.close() : this.#show(button)));
      panel.querySelector("[data-close]").addEventListener("click", () => this.close());
      panel.addEventListener("keydown", (event) => event.key === "Escape" && this.close());
    }
  }

  get isOpen() {
    return this.#open !== null;
  }

  close({ refocus = true } = {}) {
    if (!this.#open) return;
    const button = this.#open;
    this.#open = null;
    this.#panelOf(button).hidden = true;
    button.setAttribute("aria-expanded", "false");
    if (refocus) button.focus();
  }

  #show(button) {
    this.close({ refocus: false });
    this.#open = button;
    const panel = this.#panelOf(button);
    this.onOpen(panel.id);
    panel.hidden = false;
    button.setAttribute("aria-expanded", "true");
    (panel.querySelector("[autofocus]") ?? panel.querySelector("button, :checked")).focus();
  }

  #panelOf(button) {
    return document.getElementById(button.getAttribute("aria-controls"));
  }
}
