// One connection to the desktop, from socket to close code. Each attempt creates a new one.
import { HEARTBEAT, watch } from "../heartbeat.js";

const TIMEOUT = 20_000; // milliseconds until the desktop must answer
const CLOSE_TIMEOUT = 1_000; // milliseconds for the close code to arrive after noVNC reports the disconnect
const CLIENT_CUT_TEXT = 6;
const PROVIDE = 0x10; // in the first byte of an extended clipboard message's flags

const address = (path) => new URL(path, location.href.replace(/^http/, "ws"));
const providesClipboard = (bytes) => bytes[0] === CLIENT_CUT_TEXT && bytes.length > 8 && (bytes[8] & PROVIDE) !== 0;

export class Connection extends EventTarget {
  #timeout;
  #unwatch;
  #ended = false;
  ready = false;

  /** Emit "ready" once, "fetched" when the desktop has requested our clipboard, and "end" once with {code, wasReady}. */
  constructor(RFB, target, { path, token }) {
    super();
    // Create the socket here, because noVNC does not report the close code. Listen before noVNC, while the picture is there.
    const socket = new WebSocket(address(path), [HEARTBEAT, "binary", `podesk.token.${token}`]);
    this.#unwatch = watch(socket, () => this.close());
    socket.addEventListener("close", ({ code }) => this.#end(code));
    socket.send = (bytes) => this.#send(socket, bytes);
    this.rfb = new RFB(target, socket, { shared: true });
    this.rfb.addEventListener("connect", () => this.#start());
    this.rfb.addEventListener("disconnect", () => setTimeout(() => this.#end(1006), CLOSE_TIMEOUT));
    this.#timeout = setTimeout(() => this.close(), TIMEOUT);
  }

  close() {
    this.#end(1006); // on a dead network the close event may come minutes later
    this.rfb.disconnect();
  }

  #send(socket, bytes) {
    WebSocket.prototype.send.call(socket, bytes);
    if (providesClipboard(bytes)) this.dispatchEvent(new Event("fetched"));
  }

  #start() {
    clearTimeout(this.#timeout);
    this.ready = true;
    this.dispatchEvent(new Event("ready"));
  }

  #end(code) {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timeout);
    this.#unwatch();
    this.dispatchEvent(new CustomEvent("end", { detail: { code, wasReady: this.ready } }));
  }
}
