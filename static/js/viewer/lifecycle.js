// The viewer's connections from opening the page to leaving it: connect, explain an end, reconnect when that can help.
import { delay } from "./backoff.js";
import { config, say } from "./config.js";
import { Connection } from "./connection.js";
import { outage, requestToken } from "./session.js";

const NO_CODE = 1006; // the browser received no close code
const STABLE = 10_000; // milliseconds; a connection that ends sooner is a failure, so that retries slow down
const CHANGING = ["pending", "starting", "stopping"]; // the desktop changes soon, so retry often
const PROGRAMS_RUN = ["restarting", "lost", "silent", "too_slow", "fault"]; // ends that leave programs running
const MAX_DELAY = 15; // seconds between two attempts
const MAX_DELAY_CHANGING = 2;
// Ends after which only the user can try again.
const FINAL = ["left", "revoked", "disabled", "replaced", "deleted", "bad_client", "reload"];

const problemOf = ({ code, wasReady }) => {
  if (!navigator.onLine) return outage("offline");
  if (code === NO_CODE && !wasReady) return outage("unreachable");
  const { reason, sentence, reconnect } = config.closeCodes[code] ?? config.closeCodes[NO_CODE];
  return { reason, message: sentence, next_step: PROGRAMS_RUN.includes(reason) ? say("programsRun") : "", retry: reconnect };
};

export class Lifecycle extends EventTarget {
  #failures = 0;
  #timer = 0;
  #busy = false;
  #connectedAt = 0; // milliseconds
  connection = null;
  problem = null; // the last refusal or end, until connected again

  /** `preloaded` has promises of the first answer of requestToken() and of noVNC's RFB class.
      Emits "connecting", "connected", "frozen", "waiting", "over". */
  constructor(target, preloaded) {
    super();
    this.target = target;
    this.preloaded = preloaded;
    addEventListener("online", () => this.#retryUnlessFinal());
    addEventListener("focus", () => this.#retryUnlessFinal());
    addEventListener("offline", () => this.connection?.close());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.#retryUnlessFinal());
  }

  get rfb() {
    return this.connection?.ready ? this.connection.rfb : null;
  }

  #retryUnlessFinal() {
    if (!FINAL.includes(this.problem?.reason)) this.retry();
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
      this.#report({ reason: "reload", message: say("pageBroken"), next_step: say("reloadHelps"), retry: false });
    } finally {
      this.#busy = false;
    }
  }

  async #connect() {
    const requested = this.preloaded.answer ?? requestToken();
    this.preloaded.answer = null; // a token is used once
    const [answer, RFB] = await Promise.all([requested, this.preloaded.RFB]);
    if (answer.refused) return this.#report(answer.refused);
    const connection = new Connection(RFB, this.target, answer);
    connection.addEventListener("ready", () => this.#connected());
    connection.addEventListener("end", ({ detail }) => this.#ended(detail));
    this.connection = connection;
  }

  #connected() {
    this.#connectedAt = performance.now();
    this.problem = null;
    this.#emit("connected", this.rfb);
  }

  #ended(end) {
    const problem = problemOf(end);
    if (end.wasReady && performance.now() - this.#connectedAt > STABLE) this.#failures = 0;
    if (end.wasReady && problem.retry) this.#emit("frozen");
    this.connection = null;
    this.#report(problem);
  }

  #report(problem) {
    this.problem = { ...problem, at: new Date() };
    if (!problem.retry) return this.#emit("over", this.problem);
    const wait = delay(++this.#failures, CHANGING.includes(problem.reason) ? MAX_DELAY_CHANGING : MAX_DELAY);
    this.#timer = setTimeout(() => this.retry(), wait);
    this.#emit("waiting", { ...this.problem, wait });
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
