// Times as the reader counts them: relative, in his own time zone and language. The server writes them absolute.
const language = document.documentElement.lang || "en";
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
const absolute = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" });
const today = new Intl.DateTimeFormat(language, { timeStyle: "short" });
const otherDay = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
const hours = new Intl.DateTimeFormat(language, { timeStyle: "medium" });
const ticks = new Intl.NumberFormat(language, { style: "unit", unit: "second", unitDisplay: "narrow" });
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60]];

function distance(seconds) {
  const whole = seconds > 0 ? Math.round : Math.trunc; // what was given for a day ends in 24 hours, not in 23
  for (const [unit, length] of UNITS) {
    if (Math.abs(seconds) >= length) return relative.format(whole(seconds / length), unit);
  }
  return relative.format(Math.trunc(seconds / 5) * 5, "second"); // in steps: a ticking list is restless
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function tell(root = document) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    const seconds = (at - Date.now()) / 1000;
    if ("relative" in time.dataset) {
      write(time, distance(seconds));
      time.title = absolute.format(at);
    } else if ("moment" in time.dataset) {
      write(time, (at.toDateString() === new Date().toDateString() ? today : otherDay).format(at));
      time.title = distance(seconds);
    } else if ("elapsed" in time.dataset) {
      write(time, ticks.format(Math.max(0, Math.round(-seconds))));
    } else if ("clock" in time.dataset) {
      write(time, hours.format(at));
    }
  }
}

tell();
setInterval(() => tell(), 1000);
document.addEventListener("htmx:afterSwap", () => tell());
document.addEventListener("htmx:oobAfterSwap", () => tell());
