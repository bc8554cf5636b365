// The card above the screen while there is no picture: what happens, why, and what to do.
import { config, say } from "./config.js";

const CALM = 250; // milliseconds: a connection that is made at once shows no flicker
const WAYS_OUT = { signed_out: "sign-in", logged_out: "sign-in", account_disabled: "sign-in", reload: "reload" };

export class Overlay {
  #root = document.getElementById("overlay");
  #ticking = 0;
  #calm = 0;

  constructor(onRetry) {
    this.#part("retry").addEventListener("click", onRetry);
    this.#part("reload").addEventListener("click", () => location.reload());
  }

  connecting() {
    clearInterval(this.#ticking);
    this.#part("countdown").textContent = "";
    this.#part("retry").hidden = true;
    if (this.#root.dataset.state !== "waiting") this.#show("connecting", { title: say("connecting") });
    else this.#root.dataset.busy = "";
  }

  connected() {
    clearInterval(this.#ticking);
    this.#root.hidden = true;
    this.#root.dataset.state = "connected";
  }

  waiting({ reason, message, next_step: next = "", wait }) {
    this.#show("waiting", { title: message, text: next || say("reconnects") });
    this.#offer(reason === "offline" ? [] : ["retry"]);
    this.#count(performance.now() + wait);
  }

  over({ reason, message, next_step: next = "" }) {
    this.#show("over", { title: message, text: next });
    const way = WAYS_OUT[reason];
    this.#offer(way ? [way, "leave"] : ["leave", "retry"]);
    this.#root.querySelector(".actions > :not([hidden])")?.focus();
  }

  #show(state, { title, text = "" }) {
    delete this.#root.dataset.busy;
    this.#root.dataset.state = state;
    this.#part("title").textContent = title;
    this.#part("text").textContent = text;
    this.#offer([]);
    this.#root.hidden = false;
  }

  #offer(names) {
    clearInterval(this.#ticking);
    this.#part("countdown").textContent = "";
    for (const way of this.#root.querySelectorAll(".actions > *")) way.hidden = !names.includes(way.dataset.part);
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
