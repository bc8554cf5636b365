// One desktop's page around its panel: the screen stays while the panel is redrawn, the focus stays sensible, and
// changes are spoken.
const panel = document.getElementById("panel");
const stage = document.getElementById("stage");
const usage = document.getElementById("usage");
const announcer = document.getElementById("announcer");

const state = () => document.getElementById("state");
const COMING = ["pending", "starting", "running"];
const USAGE_EVERY = 5000; // milliseconds
let said = state().dataset.sentence;
let hadFocus = false;

function draw() {
  const running = state().dataset.status === "running";
  if (running && usage.hidden) look();
  usage.hidden = !running;
  if (!COMING.includes(state().dataset.status)) stage.replaceChildren();
  else if (!stage.firstElementChild) stage.replaceChildren(document.getElementById("viewer-frame").content.cloneNode(true));
  if (running) open();
  stage.hidden = !running;
}

// The viewer loads while the desktop starts, and connects when it is told.
function open() {
  const frame = stage.querySelector("[data-hold]");
  if (!frame) return;
  stage.hidden = false;
  delete frame.dataset.hold;
  frame.contentWindow.dispatchEvent(new Event("go"));
}

function look() {
  if (state().dataset.status === "running" && !document.hidden) htmx.trigger(usage, "look");
}

function announce() {
  const sentence = state().dataset.sentence;
  if (sentence === said) return;
  announcer.textContent = said = sentence;
}

// The button that was pressed may be gone with the state that it belonged to.
function keepFocus() {
  if (hadFocus && !panel.contains(document.activeElement)) document.getElementById("desktop-title").focus();
  hadFocus = false;
}

panel.addEventListener("status", ({ detail }) => detail === "running" && open());
panel.addEventListener("submit", () => {
  hadFocus = true; // a button that is disabled meanwhile loses the focus
});
panel.addEventListener("htmx:beforeSwap", () => {
  hadFocus ||= panel.contains(document.activeElement);
});
panel.addEventListener("htmx:afterSettle", (event) => {
  if (event.target !== panel) return;
  draw();
  announce();
  keepFocus();
});

document.getElementById("log-text").addEventListener("htmx:afterSwap", (event) => {
  const lines = event.currentTarget.querySelector("pre");
  if (lines) lines.scrollTop = lines.scrollHeight; // the end is what people look for
});

setInterval(look, USAGE_EVERY);
addEventListener("load", look); // htmx is there from now on
draw();

// "Show log" opens the log on this page; without script it is a page of its own.
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-open]");
  if (!link) return;
  event.preventDefault();
  const details = document.getElementById(link.dataset.open);
  if (details.open) htmx.trigger("#log-text", "reload");
  details.open = true;
  details.querySelector("summary").focus();
});
