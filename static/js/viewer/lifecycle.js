// From opening the page to leaving it: connect, say why it ended, connect again when that can help.
import { delay } from "./backoff.js";
import { config, say } from "./config.js";
import { Connection } from "./connection.js";
import { mint, outage } from "./session.js";

const NO_CODE = 1006; // what the browser says of every end that it was not told
const STABLE = 10_000; // milliseconds: a connection that ends sooner counts as a failure, or it would hammer
const SOON = ["pending", "starting", "stopping"]; // on its way: the person waits for the very moment
const HARMLESS = ["restarting", "lost", "silent", "too_slow", "fault"]; // to what runs in the desktop
const LONGEST = 15; // seconds between two tries
const LONGEST_SOON = 2;
// Ends that no change elsewhere undoes: only the person may try again.
const FINAL = ["left", "revoked", "disabled", "replaced", "deleted", "bad_client", "reload"];

const reasonOf = ({ code, wasReady }) => {
  if (!navigator.onLine) return outage("offline");
  if (code === NO_CODE && !wasReady) return outage("unreachable");
  const { reason, sentence, reconnect } = config.closes[code] ?? config.closes[NO_CODE];
  return { reason, message: sentence, next_step: HARMLESS.includes(reason) ? say("reconnects") : "", retry: reconnect };
};

export class Lifecycle extends EventTarget {
  #failures = 0;
  #timer = 0;
  #busy = false;
  #since = 0; // when connected, milliseconds
  connection = null;
  trouble = null; // the last refusal or end, until connected again

  /** `head` holds promises of the first answer of mint() and of noVNC's RFB class.
      Emits "connecting", "connected", "frozen", "waiting", "over". */
  constructor(target, head) {
    super();
    this.target = target;
    this.head = head;
    addEventListener("online", () => this.#return());
    addEventListener("focus", () => this.#return());
    addEventListener("offline", () => this.connection?.close());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.#return());
  }

  get rfb() {
    return this.connection?.ready ? this.connection.rfb : null;
  }

  #return() {
    if (!FINAL.includes(this.trouble?.reason)) this.retry();
  }

  /** Connect now, if not connected. */
  async retry() {
    if (this.#busy || this.connection) return;
    clearTimeout(this.#timer);
    this.#busy = true;
    this.#emit("connecting");
    try {
      await this.#connect();
    } catch (error) {
      console.error(error);
      this.#stop({ reason: "reload", message: say("pageBroken"), next_step: say("reloadHelps"), retry: false });
    } finally {
      this.#busy = false;
    }
  }

  async #connect() {
    const asked = this.head.answer ?? mint();
    this.head.answer = null; // a token is used once
    const [answer, RFB] = await Promise.all([asked, this.head.RFB]);
    if (answer.refused) return this.#stop(answer.refused);
    const connection = new Connection(RFB, this.target, answer);
    connection.addEventListener("ready", () => this.#connected());
    connection.addEventListener("end", ({ detail }) => this.#ended(detail));
    this.connection = connection;
  }

  #connected() {
    this.#since = performance.now();
    this.trouble = null;
    this.#emit("connected", this.rfb);
  }

  #ended(how) {
    const trouble = reasonOf(how);
    if (how.wasReady && performance.now() - this.#since > STABLE) this.#failures = 0;
    if (how.wasReady && trouble.retry) this.#emit("frozen");
    this.connection = null;
    this.#stop(trouble);
  }

  #stop(trouble) {
    this.trouble = { ...trouble, at: new Date() };
    if (!trouble.retry) return this.#emit("over", this.trouble);
    const wait = delay(++this.#failures, SOON.includes(trouble.reason) ? LONGEST_SOON : LONGEST);
    this.#timer = setTimeout(() => this.retry(), wait);
    this.#emit("waiting", { ...this.trouble, wait });
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
