// The page of one desktop around its panel. When the panel is updated, keep the screen, keep the keyboard focus, and
// announce changes to screen readers.
const panel = document.getElementById("panel");
const stage = document.getElementById("stage");
const usage = document.getElementById("usage");
const announcer = document.getElementById("announcer");

const state = () => document.getElementById("state");
const ACTIVE = ["pending", "starting", "running"];
const USAGE_INTERVAL = 5000; // milliseconds
let announced = state().dataset.sentence;
let hadFocus = false;

function update() {
  const running = state().dataset.status === "running";
  if (running && usage.hidden) refreshUsage();
  usage.hidden = !running;
  if (!ACTIVE.includes(state().dataset.status)) stage.replaceChildren();
  else if (!stage.firstElementChild) stage.replaceChildren(document.getElementById("viewer-frame").content.cloneNode(true));
  if (running) connectViewer();
  stage.hidden = !running;
}

// The viewer loads while the desktop starts, and connects after this event.
function connectViewer() {
  const frame = stage.querySelector("[data-hold]");
  if (!frame) return;
  stage.hidden = false;
  delete frame.dataset.hold;
  frame.contentWindow.dispatchEvent(new Event("connect"));
}

function refreshUsage() {
  if (state().dataset.status === "running" && !document.hidden) htmx.trigger(usage, "measure");
}

function announce() {
  const sentence = state().dataset.sentence;
  if (sentence === announced) return;
  announcer.textContent = announced = sentence;
}

// The pressed button may disappear when the state changes.
function keepFocus() {
  if (hadFocus && !panel.contains(document.activeElement)) document.getElementById("desktop-title").focus();
  hadFocus = false;
}

panel.addEventListener("status", ({ detail }) => detail === "running" && connectViewer());
panel.addEventListener("submit", () => {
  hadFocus = true; // a button that becomes disabled loses the focus
});
panel.addEventListener("htmx:beforeSwap", () => {
  hadFocus ||= panel.contains(document.activeElement);
});
panel.addEventListener("htmx:afterSettle", (event) => {
  if (event.target !== panel) return;
  update();
  announce();
  keepFocus();
});

document.getElementById("log-text").addEventListener("htmx:afterSwap", (event) => {
  const lines = event.currentTarget.querySelector("pre");
  if (lines) lines.scrollTop = lines.scrollHeight; // people look for the last lines
});

setInterval(refreshUsage, USAGE_INTERVAL);
addEventListener("load", refreshUsage); // htmx is loaded now
update();

// "Show log" opens the log on this page. Without JavaScript, it opens a separate page.
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-open]");
  if (!link) return;
  event.preventDefault();
  const details = document.getElementById(link.dataset.open);
  if (details.open) htmx.trigger("#log-text", "reload");
  details.open = true;
  details.querySelector("summary").focus();
});
