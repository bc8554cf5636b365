// Keep the overview of the administration current. The server renders it; a section is replaced only if it has changed,
// so that focus, selection and open tables stay and screen readers hear only what is new.
const EVERY = 15_000; // milliseconds
const TIMEOUT = 10_000;
const overview = document.getElementById("overview");
const lost = document.getElementById("overview-lost");
const shown = new Map(); // by id of a section: its content as the server sent it

function remember() {
  for (const section of overview.children) shown.set(section.id, section.innerHTML);
}

function replace(section, fresh) {
  const focused = section.contains(document.activeElement) ? document.activeElement.id : "";
  const open = [...section.querySelectorAll("details[open]")].map((each) => each.id);
  section.innerHTML = fresh;
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

async function refresh() {
  if (document.hidden) return;
  try {
    const answer = await fetch(overview.dataset.address, { signal: AbortSignal.timeout(TIMEOUT) });
    if (answer.redirected) location.reload(); // the login has ended
    if (!answer.ok) throw new Error(answer.statusText);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const { id, innerHTML } of page.querySelectorAll("section")) {
      if (shown.get(id) === innerHTML) continue;
      shown.set(id, innerHTML);
      replace(document.getElementById(id), innerHTML);
    }
    lost.hidden = true;
  } catch {
    lost.hidden = false;
  }
}

remember();
setInterval(refresh, EVERY);
document.addEventListener("visibilitychange", refresh);
