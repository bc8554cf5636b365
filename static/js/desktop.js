// One desktop's page around its panel: the screen stays while the panel is redrawn, the focus stays sensible, and
// changes are spoken.
const panel = document.getElementById("panel");
const stage = document.getElementById("stage");
const announcer = document.getElementById("announcer");

const state = () => document.getElementById("state");
let said = state().dataset.sentence;
let hadFocus = false;

function draw() {
  const running = state().dataset.status === "running";
  if (running && !stage.firstElementChild) {
    stage.replaceChildren(document.getElementById("viewer-frame").content.cloneNode(true));
  } else if (!running) {
    stage.replaceChildren();
  }
  stage.hidden = !running;
}

function announce() {
  const sentence = state().dataset.sentence;
  if (sentence === said) return;
  announcer.textContent = said = sentence;
}

function keepFocus() {
  if (hadFocus && !panel.contains(document.activeElement)) document.getElementById("desktop-title").focus();
}

panel.addEventListener("htmx:beforeSwap", () => {
  hadFocus = panel.contains(document.activeElement);
});
panel.addEventListener("htmx:afterSettle", (event) => {
  if (event.target !== panel) return;
  draw();
  announce();
  keepFocus();
});

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
