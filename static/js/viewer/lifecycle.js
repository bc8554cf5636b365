// From opening the page to leaving it: connect, say why it ended, connect again when that can help.
import { delay } from "./backoff.js";
import { config, say } from "./config.js";
import { Connection } from "./connection.js";
import { mint } from "./session.js";

const reasonOf = ({ code, wasReady }) => {
  const known = config.closes[code];
  if (known) return { reason: known.reason, message: known.message, next_step: known.next_step, retry: known.reconnect };
  if (!navigator.onLine) return { reason: "offline", message: say("offline"), retry: true };
  return { reason: "lost", message: say(wasReady ? "lost" : "unreachable"), retry: true };
};

export class Lifecycle extends EventTarget {
  #failures = 0;
  #timer = 0;
  #busy = false;
  connection = null;
  trouble = null; // the last refusal or end, until connected again

  /** `loading`: promise of noVNC's RFB class. Emits "connecting", "connected", "frozen", "waiting", "over". */
  constructor(loading, target) {
    super();
    this.loading = loading;
    this.target = target;
    addEventListener("online", () => this.retry());
    addEventListener("offline", () => this.connection?.close());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.retry());
  }

  get rfb() {
    return this.connection?.ready ? this.connection.rfb : null;
  }

  /** Connect now if not connected; also the cure for an end that seemed final, when its cause is gone. */
  async retry() {
    if (this.#busy || this.connection) return;
    clearTimeout(this.#timer);
    this.#busy = true;
    this.#emit("connecting");
    try {
      await this.#connect();
    } catch (error) {
      console.error(error);
      this.#stop({ reason: "reload", message: say("pageBroken"), retry: false });
    } finally {
      this.#busy = false;
    }
  }

  async #connect() {
    const [answer, RFB] = await Promise.all([mint(), this.loading]);
    if (answer.refused) return this.#stop(answer.refused);
    const connection = new Connection(RFB, this.target, answer);
    connection.addEventListener("ready", () => this.#connected());
    connection.addEventListener("end", ({ detail }) => this.#ended(detail));
    this.connection = connection;
  }

  #connected() {
    this.#failures = 0;
    this.trouble = null;
    this.#emit("connected", this.rfb);
  }

  #ended(how) {
    const trouble = reasonOf(how);
    if (how.wasReady && trouble.retry) this.#emit("frozen");
    this.connection = null;
    this.#stop(trouble);
  }

  #stop(trouble) {
    this.trouble = { ...trouble, at: new Date() };
    if (!trouble.retry) return this.#emit("over", this.trouble);
    const wait = delay(++this.#failures);
    this.#timer = setTimeout(() => this.retry(), wait);
    this.#emit("waiting", { ...this.trouble, wait });
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
