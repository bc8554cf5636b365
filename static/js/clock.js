// Show times relative to now, in the reader's time zone and language. The server sends absolute times.
const language = document.documentElement.lang || "en";
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
const absolute = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" });
const timeToday = new Intl.DateTimeFormat(language, { timeStyle: "short" });
const otherDay = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
const clock = new Intl.DateTimeFormat(language, { timeStyle: "medium" });
const secondsFormat = new Intl.NumberFormat(language, { style: "unit", unit: "second", unitDisplay: "narrow" });
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60]];

function fromNow(seconds) {
  const whole = seconds > 0 ? Math.round : Math.trunc; // so that one day from now reads 24 hours, not 23
  for (const [unit, length] of UNITS) {
    if (Math.abs(seconds) >= length) return relative.format(whole(seconds / length), unit);
  }
  return relative.format(Math.trunc(seconds / 5) * 5, "second"); // a list that changes every second is distracting
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function updateTimes(root = document) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    const seconds = (at - Date.now()) / 1000;
    if ("relative" in time.dataset) {
      write(time, fromNow(seconds));
      time.title = absolute.format(at);
    } else if ("moment" in time.dataset) {
      write(time, (at.toDateString() === new Date().toDateString() ? timeToday : otherDay).format(at));
      time.title = fromNow(seconds);
    } else if ("elapsed" in time.dataset) {
      write(time, secondsFormat.format(Math.max(0, Math.round(-seconds))));
    } else if ("clock" in time.dataset) {
      write(time, clock.format(at));
    }
  }
}

updateTimes();
setInterval(() => updateTimes(), 1000);
document.addEventListener("htmx:afterSwap", () => updateTimes());
document.addEventListener("htmx:oobAfterSwap", () => updateTimes());
