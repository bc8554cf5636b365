// One connection to the desktop, from socket to close code. Never used twice: each try makes a new one.
import { HEARTBEAT, watch } from "../heartbeat.js";

const PATIENCE = 20_000; // milliseconds until the first answer of the desktop
const GRACE = 1_000; // milliseconds for the close code to arrive after noVNC gave up
const CLIENT_CUT_TEXT = 6;
const PROVIDE = 0x10; // in the first byte of an extended clipboard message's flags

const address = (path) => new URL(path, location.href.replace(/^http/, "ws"));
const handsOverClipboard = (bytes) => bytes[0] === CLIENT_CUT_TEXT && bytes.length > 8 && (bytes[8] & PROVIDE) !== 0;

export class Connection extends EventTarget {
  #patience;
  #unwatch;
  #ended = false;
  ready = false;

  /** Emits "ready" once, "fetched" whenever the desktop took our clipboard, "end" once with {code, wasReady}. */
  constructor(RFB, target, { path, token }) {
    super();
    // Our own socket, because noVNC keeps the close code to itself. Our listener comes first: it sees the last frame.
    const socket = new WebSocket(address(path), [HEARTBEAT, "binary", `podesk.token.${token}`]);
    this.#unwatch = watch(socket, () => this.close());
    socket.addEventListener("close", ({ code }) => this.#end(code));
    socket.send = (bytes) => this.#send(socket, bytes);
    this.rfb = new RFB(target, socket, { shared: true });
    this.rfb.addEventListener("connect", () => this.#begin());
    this.rfb.addEventListener("disconnect", () => setTimeout(() => this.#end(1006), GRACE));
    this.#patience = setTimeout(() => this.close(), PATIENCE);
  }

  close() {
    this.#end(1006); // a dead network may keep the close event back for minutes
    this.rfb.disconnect();
  }

  #send(socket, bytes) {
    WebSocket.prototype.send.call(socket, bytes);
    if (handsOverClipboard(bytes)) this.dispatchEvent(new Event("fetched"));
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
    this.#unwatch();
    this.dispatchEvent(new CustomEvent("end", { detail: { code, wasReady: this.ready } }));
  }
}
