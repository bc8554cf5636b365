// One connection to the desktop, from socket to close code. Never used twice: each try makes a new one.
const PATIENCE = 20_000; // milliseconds until the first answer of the desktop
const GRACE = 1_000; // milliseconds for the close code to arrive after noVNC gave up

const address = (path) => new URL(path, location.href.replace(/^http/, "ws"));

export class Connection extends EventTarget {
  #socket;
  #patience;
  #ended = false;
  ready = false;

  /** Emits "ready" once, then "end" once with detail {code, wasReady}. */
  constructor(RFB, target, { path, token }) {
    super();
    // Our own socket, because noVNC keeps the close code to itself. Our listener comes first: it sees the last frame.
    this.#socket = new WebSocket(address(path), ["binary", `podesk.token.${token}`]);
    this.#socket.addEventListener("close", ({ code }) => this.#end(code));
    this.rfb = new RFB(target, this.#socket, { shared: true });
    this.rfb.addEventListener("connect", () => this.#begin());
    this.rfb.addEventListener("disconnect", () => setTimeout(() => this.#end(1006), GRACE));
    this.#patience = setTimeout(() => this.close(), PATIENCE);
  }

  close() {
    this.#end(1006); // a dead network may keep the close event back for minutes
    this.rfb.disconnect();
  }

  #begin() {
    clearTimeout(this.#patience);
    this.ready = true;
    this.dispatchEvent(new Event("ready"));
  }

  #end(code) {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#patience);
    this.dispatchEvent(new CustomEvent("end", { detail: { code, wasReady: this.ready } }));
  }
}
