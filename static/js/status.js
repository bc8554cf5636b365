// Keep the element with [data-live] current. The status socket reports that something changed, polling replaces it while
// it is closed, and a notice appears when the portal does not answer. The server renders the content.
import { HEARTBEAT, watch } from "./heartbeat.js";

const POLL_MOVING = 3; // seconds, while the socket is down
const POLL_RESTING = 15;
const POLL_SAFETY = 20; // seconds, while moving and connected: a broadcast may get lost
const REFRESH_GAP = 250; // milliseconds between two updates while the steps of a start follow each other
const RETRY_FIRST = 1;
const RETRY_MAX = 30;

const live = document.querySelector("[data-live]");
let connected = false;
let retry = RETRY_FIRST;
let refreshedAt = Date.now();
let shown = ""; // the last answer
let timer = 0;

function refresh() {
  refreshedAt = Date.now();
  clearTimeout(timer);
  timer = 0;
  htmx.trigger(live, "refresh");
}

function refreshSoon() {
  timer ||= setTimeout(refresh, refreshedAt + REFRESH_GAP - Date.now());
}

function connect() {
  const address = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/status/`;
  const socket = new WebSocket(address, [HEARTBEAT]);
  watch(socket, () => {
    if (connected) setUnavailable(true); // until the next answer
    socket.onclose = null; // on a dead connection it may come minutes later
    socket.close();
    lost();
  });
  socket.onopen = () => {
    connected = true;
    retry = RETRY_FIRST;
    refresh(); // something may have changed while the socket was closed
  };
  socket.onmessage = (event) => {
    const { desktop, status } = JSON.parse(event.data);
    // A backup or restore may change what the page of any desktop says.
    if (status !== "backup" && ![desktop, "all"].includes(live.dataset.live)) return;
    live.dispatchEvent(new CustomEvent("status", { detail: status }));
    if (["pending", "starting"].includes(status)) refreshSoon();
    else refresh();
  };
  socket.onclose = lost;
}

function lost() {
  if (connected) refresh(); // if the login has ended, the answer redirects to the login page
  connected = false;
  setTimeout(connect, retry * 1000 * (0.5 + Math.random()));
  retry = Math.min(RETRY_MAX, retry * 2);
}

function pollInterval() {
  const moving = live.querySelector("[data-moving]") !== null;
  if (connected) return moving ? POLL_SAFETY : Infinity;
  return moving ? POLL_MOVING : POLL_RESTING;
}

function setUnavailable(unavailable) {
  const notice = document.getElementById("unavailable");
  if (!unavailable) notice?.remove();
  else if (!notice) live.before(document.getElementById("portal-unavailable").content.cloneNode(true));
}

// A proxy in front answers this way when the portal is down. The portal's own refusals set HX-Retarget.
function isUnavailable(xhr) {
  return [502, 503, 504].includes(xhr.status) && !xhr.getResponseHeader("HX-Retarget");
}

// For comparing answers: one that changes nothing is not swapped in, so that focus and selection stay and screen
// readers stay silent.
function withoutToken(html) {
  return html.replace(/name="csrfmiddlewaretoken" value="\w+"/g, "");
}

function beforeSwap(event) {
  const { xhr, target } = event.detail;
  if (xhr.status >= 400 && xhr.getResponseHeader("HX-Retarget")) {
    event.detail.shouldSwap = true; // a refusal: show its message in the page
    event.detail.isError = false;
  } else if (target === live && event.detail.shouldSwap) {
    const answer = withoutToken(xhr.responseText);
    if (answer === shown) event.detail.shouldSwap = false;
    else document.getElementById("alerts").replaceChildren(); // the last refusal is about the previous state
    shown = answer;
  }
}

if (live) {
  document.body.addEventListener("htmx:beforeSwap", beforeSwap);
  document.body.addEventListener("htmx:sendError", () => setUnavailable(true));
  document.body.addEventListener("htmx:timeout", () => setUnavailable(true));
  document.body.addEventListener("htmx:afterOnLoad", (event) => setUnavailable(isUnavailable(event.detail.xhr)));
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) refresh();
  });
  addEventListener("pageshow", (event) => {
    if (event.persisted) refresh(); // the back button
  });
  setInterval(() => {
    if (!document.hidden && Date.now() - refreshedAt >= pollInterval() * 1000) refresh();
  }, 1000);
  connect();
}
