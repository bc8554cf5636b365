// Detect a dead WebSocket. Browsers hide protocol pings from pages, and a connection can go silent without closing.
const OPEN_TIMEOUT = 20_000; // milliseconds until the socket must be open
const PING_AFTER = 3_000; // milliseconds of silence before we send a ping
const PONG_TIMEOUT = 9_000; // milliseconds until the answer must arrive
const TICK = 1_000;
const LATE_TICK = 3_000; // milliseconds between two ticks that show that the page was suspended
const PING = "ping";
const PONG = "pong";

export const HEARTBEAT = "podesk.heartbeat"; // subprotocol: a server that accepts it answers our pings

/** Call `onDead` once when the server stops answering. Call this before you add listeners: it hides pongs from them. */
export function watch(socket, onDead) {
  let pinged = performance.now(); // null when no answer is due; opening the socket is the first answer
  let received = pinged;
  let ticked = pinged;

  const receive = (event) => {
    received = performance.now();
    pinged = null;
    if (event.data === PONG) event.stopImmediatePropagation();
  };
  const ping = (now) => {
    if (socket.protocol !== HEARTBEAT || now - received < PING_AFTER) return;
    pinged = now;
    socket.send(PING);
  };
  const tick = () => {
    const now = performance.now();
    const timeout = socket.readyState === WebSocket.CONNECTING ? OPEN_TIMEOUT : PONG_TIMEOUT;
    // The device slept or the browser throttled the tab. An answer may have arrived but not been read, so ping again.
    if (now - ticked > LATE_TICK) pinged = null;
    ticked = now;
    if (pinged === null) return ping(now);
    if (now - pinged < timeout) return;
    stop();
    onDead();
  };
  const timer = setInterval(tick, TICK);
  const stop = () => clearInterval(timer);
  socket.addEventListener("open", receive);
  socket.addEventListener("message", receive);
  socket.addEventListener("close", stop);
  return stop;
}
