// Notices that a WebSocket's line is dead. A browser hides pings from the page, and a line may go silent without closing.
const OPENING = 20_000; // milliseconds that it may take to open
const QUIET = 3_000; // milliseconds of silence before we ask the server for a sign of life
const PATIENCE = 9_000; // milliseconds that its answer may take
const TICK = 1_000;
const LATE_TICK = 3_000; // milliseconds between two ticks after which the page did not run all the time
const PING = "ping";
const PONG = "pong";

export const HEARTBEAT = "podesk.heartbeat"; // subprotocol: a server that agrees to it answers our pings

/** Calls `onDead` once when the server stops answering. To be called before others listen: answers are for us alone. */
export function watch(socket, onDead) {
  let asked = performance.now(); // null while there is no open question; opening is the first
  let heard = asked;
  let ticked = asked;

  const hear = (event) => {
    heard = performance.now();
    asked = null;
    if (event.data === PONG) event.stopImmediatePropagation();
  };
  const ask = (now) => {
    if (socket.protocol !== HEARTBEAT || now - heard < QUIET) return;
    asked = now;
    socket.send(PING);
  };
  const tick = () => {
    const now = performance.now();
    const patience = socket.readyState === WebSocket.CONNECTING ? OPENING : PATIENCE;
    // The device slept, or the browser throttled the tab: an answer may wait that nobody has read. Ask again.
    if (now - ticked > LATE_TICK) asked = null;
    ticked = now;
    if (asked === null) return ask(now);
    if (now - asked < patience) return;
    stop();
    onDead();
  };
  const timer = setInterval(tick, TICK);
  const stop = () => clearInterval(timer);
  socket.addEventListener("open", hear);
  socket.addEventListener("message", hear);
  socket.addEventListener("close", stop);
  return stop;
}
