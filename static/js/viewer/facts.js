// The connection panel: the state, since when, and the reasons for the last interruptions.
import { say } from "./config.js";

const MAX_BREAKS = 5;
const clock = (moment) => moment.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export function facts(lifecycle, screen) {
  const part = (name) => document.querySelector(`[data-fact="${name}"]`);
  const breaks = [];
  let since = null;

  const showEnd = ({ message, at }) => {
    if (since) breaks.unshift(`${clock(at)} ${message}`);
    since = null;
    part("breaks").replaceChildren(...breaks.slice(0, MAX_BREAKS).map((text) => {
      const line = document.createElement("li");
      line.textContent = text;
      return line;
    }));
    part("none").hidden = breaks.length > 0;
    part("state").textContent = message;
    part("since").textContent = part("size").textContent = "–";
  };
  lifecycle.addEventListener("waiting", ({ detail }) => showEnd(detail));
  lifecycle.addEventListener("over", ({ detail }) => showEnd(detail));
  lifecycle.addEventListener("connected", () => {
    since = new Date();
    part("state").textContent = say("connected");
    part("since").textContent = clock(since);
  });
  return () => {
    const canvas = screen.querySelector("canvas");
    if (lifecycle.rfb && canvas) part("size").textContent = `${canvas.width} × ${canvas.height}`;
  };
}
