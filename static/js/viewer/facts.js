// The connection panel: the state, since when, and the reasons for the last interruptions.
import { updateTimes } from "../clock.js";
import { say } from "./config.js";

const MAX_BREAKS = 5;

/** Return an element whose text clock.js writes and keeps current, as on the other pages. */
function timeElement(at, kind) {
  const time = document.createElement("time");
  time.dateTime = at.toISOString();
  time.dataset[kind] = "";
  return time;
}

export function facts(lifecycle, screen) {
  const part = (name) => document.querySelector(`[data-fact="${name}"]`);
  let since = null;

  const addBreak = (message, at) => {
    const line = document.createElement("li");
    line.append(message, timeElement(at, "relative"));
    part("breaks").prepend(line);
    part("breaks").children[MAX_BREAKS]?.remove();
    part("none").hidden = true;
  };
  const showEnd = ({ message, at }) => {
    if (since) addBreak(message, at);
    since = null;
    part("state").textContent = message;
    part("since").textContent = part("size").textContent = "–";
    updateTimes();
  };
  lifecycle.addEventListener("waiting", ({ detail }) => showEnd(detail));
  lifecycle.addEventListener("over", ({ detail }) => showEnd(detail));
  lifecycle.addEventListener("connected", () => {
    since = new Date();
    part("state").textContent = say("connected");
    part("since").replaceChildren(timeElement(since, "moment"));
    updateTimes();
  });
  return () => {
    const canvas = screen.querySelector("canvas");
    if (lifecycle.rfb && canvas) part("size").textContent = `${canvas.width} × ${canvas.height}`;
  };
}
