// The card above the screen while there is no picture: what happens, why, and what you can do.
import { say } from "./config.js";

const SIGN_IN = ["signed_out", "logged_out", "revoked", "disabled", "password_changed"];
const RELOAD = ["reload", "bad_client"];
const FIRST_SENTENCE = /^(.+?(?:\.\s|。))(.+)$/s;
const actionsFor = (reason) => (SIGN_IN.includes(reason) ? ["sign-in"] : RELOAD.includes(reason) ? ["reload"] : ["leave", "retry"]);

export class Overlay {
  #root = document.getElementById("overlay");
  #ticking = 0;

  constructor(onRetry) {
    this.#part("retry").addEventListener("click", onRetry);
    this.#part("reload").addEventListener("click", () => location.reload());
  }

  connecting() {
    clearInterval(this.#ticking);
    this.#part("countdown").textContent = "";
    this.#part("retry").hidden = true;
    // Keep a card that shows a reason, because this attempt may end for the same reason.
    if (["waiting", "over"].includes(this.#root.dataset.state)) this.#root.dataset.busy = "";
    else this.#show("connecting", say("connecting"));
  }

  connected() {
    clearInterval(this.#ticking);
    this.#root.hidden = true;
    this.#root.dataset.state = "connected";
  }

  waiting({ reason, message, next_step: next, wait }) {
    this.#show("waiting", message, next);
    this.#offer(["retry"]);
    if (reason !== "offline") this.#count(performance.now() + wait); // the browser reports when it is online again
  }

  over({ reason, message, next_step: next }) {
    this.#show("over", message, next);
    this.#offer(actionsFor(reason));
    // The screen had the keyboard focus and is gone. A frame must not take the focus from its page.
    if (document.hasFocus()) this.#root.querySelector(".actions > :not([hidden])").focus();
  }

  #show(state, message, next = "") {
    const [, title, rest] = message.match(FIRST_SENTENCE) ?? ["", message, ""];
    delete this.#root.dataset.busy;
    this.#root.dataset.state = state;
    this.#part("title").textContent = title.trim();
    this.#part("text").textContent = `${rest} ${next}`.trim();
    this.#offer([]);
    this.#root.hidden = false;
  }

  #offer(names) {
    clearInterval(this.#ticking);
    this.#part("countdown").textContent = "";
    for (const action of this.#root.querySelectorAll(".actions > *")) action.hidden = !names.includes(action.dataset.part);
  }

  #count(until) {
    const tick = () => {
      const seconds = Math.ceil((until - performance.now()) / 1000);
      this.#part("countdown").textContent = seconds > 0 ? say("countdown", { seconds }) : "";
    };
    tick();
    this.#ticking = setInterval(tick, 1000);
  }

  #part(name) {
    return this.#root.querySelector(`[data-part="${name}"]`);
  }
}
