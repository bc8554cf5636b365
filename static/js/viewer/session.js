// Request a session token, which opens one connection and is valid for a short time.
import { config, say } from "./config.js";

const TIMEOUT = 10_000; // milliseconds

// Read each time, because signing in from another tab changes the cookie.
const csrfToken = () =>
  document.cookie.split("; ").find((pair) => pair.startsWith(`${config.csrfCookie}=`))?.split("=")[1] ?? "";

export const outage = (reason) => ({ reason, message: say(reason), next_step: say("programsRun"), retry: true });
const unreachable = () => ({ refused: outage(navigator.onLine ? "unreachable" : "offline") });

/** Return {token, path} or {refused}. */
export async function requestToken() {
  let answer;
  try {
    answer = await fetch(config.tokenUrl, {
      method: "POST",
      headers: { "X-CSRFToken": csrfToken(), Accept: "application/json" },
      cache: "no-store",
      signal: AbortSignal.timeout(TIMEOUT),
    });
  } catch {
    return unreachable();
  }
  return read(answer);
}

async function read(answer) {
  if (answer.status >= 500) return unreachable();
  const body = await answer.json().catch(() => null);
  if (answer.ok && body?.token) return body;
  if (body?.reason) return { refused: body };
  // Not our JSON: the CSRF token is out of date, or a proxy answered. Reloading the page solves both.
  return { refused: { reason: "reload", message: say("pageStale"), next_step: say("reloadHelps"), retry: false } };
}
