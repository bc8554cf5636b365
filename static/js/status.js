// Keeps the part marked [data-live] true: hears over the status socket that something changed, polls when it hears
// nothing, and says so when the portal is unavailable. What is drawn comes from the server.
import { HEARTBEAT, watch } from "./heartbeat.js";

const POLL_MOVING = 3; // seconds, while the socket is down
const POLL_RESTING = 15;
const POLL_SAFETY = 20; // seconds while moving although the socket is up: a broadcast may get lost
const CALM = 250; // milliseconds between two redraws while the steps of a start follow each other
const RETRY_FIRST = 1;
const RETRY_MOST = 30;

const live = document.querySelector("[data-live]");
let connected = false;
let retry = RETRY_FIRST;
let askedAt = Date.now();
let shown = "";
let soon = 0;

function refresh() {
  askedAt = Date.now();
  clearTimeout(soon);
  soon = 0;
  htmx.trigger(live, "refresh");
}

function refreshSoon() {
  soon ||= setTimeout(refresh, askedAt + CALM - Date.now());
}

function connect() {
  const address = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/status/`;
  const socket = new WebSocket(address, [HEARTBEAT]);
  watch(socket, () => {
    if (connected) setAway(true); // the next answer takes it back
    socket.onclose = null; // a dead line may keep it back for minutes
    socket.close();
    lost();
  });
  socket.onopen = () => {
    connected = true;
    retry = RETRY_FIRST;
    refresh(); // what happened while nobody listened
  };
  socket.onmessage = (event) => {
    const { desktop, status } = JSON.parse(event.data);
    if (![desktop, "all"].includes(live.dataset.live)) return;
    live.dispatchEvent(new CustomEvent("status", { detail: status }));
    if (["pending", "starting"].includes(status)) refreshSoon();
    else refresh();
  };
  socket.onclose = lost;
}

function lost() {
  if (connected) refresh(); // the login may be over: the answer leads to the login page
  connected = false;
  setTimeout(connect, retry * 1000 * (0.5 + Math.random()));
  retry = Math.min(RETRY_MOST, retry * 2);
}

function pollInterval() {
  const moving = live.querySelector("[data-moving]") !== null;
  if (connected) return moving ? POLL_SAFETY : Infinity;
  return moving ? POLL_MOVING : POLL_RESTING;
}

function setAway(away) {
  const notice = document.getElementById("away");
  if (!away) notice?.remove();
  else if (!notice) live.before(document.getElementById("portal-away").content.cloneNode(true));
}

// What a proxy in front says when the portal behind it is down; a refusal of the portal's own is none of these.
function isAway(xhr) {
  return [502, 503, 504].includes(xhr.status) && !xhr.getResponseHeader("HX-Retarget");
}

// An answer that says what the page shows already is not drawn: focus and selection stay, and screen readers are quiet.
function meaning(html) {
  return html.replace(/name="csrfmiddlewaretoken" value="\w+"/g, "");
}

function beforeSwap(event) {
  const { xhr, target } = event.detail;
  if (xhr.status >= 400 && xhr.getResponseHeader("HX-Retarget")) {
    event.detail.shouldSwap = true; // a refusal: its sentence belongs to the page
    event.detail.isError = false;
  } else if (target === live && event.detail.shouldSwap) {
    const now = meaning(xhr.responseText);
    if (now === shown) event.detail.shouldSwap = false;
    else document.getElementById("alerts").replaceChildren(); // what was refused belongs to the state before
    shown = now;
  }
}

if (live) {
  document.body.addEventListener("htmx:beforeSwap", beforeSwap);
  document.body.addEventListener("htmx:sendError", () => setAway(true));
  document.body.addEventListener("htmx:timeout", () => setAway(true));
  document.body.addEventListener("htmx:afterOnLoad", (event) => setAway(isAway(event.detail.xhr)));
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) refresh();
  });
  addEventListener("pageshow", (event) => {
    if (event.persisted) refresh(); // the back button
  });
  setInterval(() => {
    if (!document.hidden && Date.now() - askedAt >= pollInterval() * 1000) refresh();
  }, 1000);
  connect();
}
