// Mint a session token: the key to one connection, good for a minute. Answers {token, path} or {refused}.
import { config, say } from "./config.js";

const PATIENCE = 10_000; // milliseconds

// Read anew each time: signing in from another tab changes the cookie.
const csrfToken = () =>
  document.cookie.split("; ").find((pair) => pair.startsWith(`${config.csrfCookie}=`))?.split("=")[1] ?? "";

export const outage = (reason) => ({ reason, message: say(reason), next_step: say("reconnects"), retry: true });
const unreachable = () => ({ refused: outage(navigator.onLine ? "unreachable" : "offline") });

export async function mint() {
  let answer;
  try {
    answer = await fetch(config.tokenUrl, {
      method: "POST",
      headers: { "X-CSRFToken": csrfToken(), Accept: "application/json" },
      cache: "no-store",
      signal: AbortSignal.timeout(PATIENCE),
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
  // Not our JSON: the form token is stale or something in between answered. A fresh page cures both.
  return { refused: { reason: "reload", message: say("pageStale"), next_step: say("reloadHelps"), retry: false } };
}
