// A plain noVNC page for access without the portal. Its WebSocket is at a relative path, so any prefix works.
import RFB from "./core/rfb.js";
import { adaptKeyboard } from "./keyboard.js"; // shared with the portal's viewer

const chinese = navigator.language.startsWith("zh");
const show = (english, inChinese) => { status.textContent = chinese ? inChinese : english; };
const [form, input, status, screen] = ["form", "input", "[role=status]", "#screen"].map((s) => document.querySelector(s));
if (chinese) {
  document.documentElement.lang = "zh-CN";
  for (const element of document.querySelectorAll("[data-zh]")) element.textContent = element.dataset.zh;
}

// Proxies may restart or drop connections while the desktop keeps running, so the page reconnects after a loss.
const TIMEOUT = 600_000; // milliseconds; after that, the desktop was stopped or its owner has signed out
const STABLE = 5_000; // milliseconds; a connection lost sooner does not reset the delay between attempts
let current, next; // the connection, and the timer of the next attempt

function connect(password, lost = { since: 0, tries: 0 }) {
  const socket = new URL("websockify", location.href);
  socket.protocol = socket.protocol.replace("http", "ws");
  const desktop = current = new RFB(screen, socket.href, { credentials: { password } });
  desktop.resizeSession = desktop.scaleViewport = true;
  let connected = 0, refused = false;
  desktop.addEventListener("connect", () => { connected = Date.now(); form.hidden = true; show("", ""); adaptKeyboard(desktop, screen.querySelector("canvas")); desktop.focus(); });
  desktop.addEventListener("securityfailure", () => { refused = true; });
  desktop.addEventListener("disconnect", () => {
    if (current !== desktop) return; // Connect was pressed in the meantime
    form.hidden = false;
    if (connected) lost = { since: Date.now(), tries: Date.now() - connected > STABLE ? 0 : lost.tries };
    if (refused) askAgain(lost.since);
    else if (Date.now() - lost.since < TIMEOUT) retry(password, lost);
    else show("The connection has ended. Check that the desktop is running and that you are signed in.", "连接已断开。请确认桌面正在运行，并且您已登录。");
  });
  desktop.addEventListener("clipboard", ({ detail }) => navigator.clipboard?.writeText(detail.text).catch(() => {}));
}

function askAgain(wasConnected) {
  input.select();
  if (wasConnected) show("The desktop was restarted and has a new password.", "桌面已重新启动，密码已更换。");
  else show("The password is incorrect.", "密码不正确。");
}

function retry(password, { since, tries }) {
  show("The connection was lost. Reconnecting…", "连接已断开，正在重新连接…");
  const delay = Math.min(500 * 2 ** tries, 20_000) * (0.5 + Math.random()); // spread the reconnects of all pages
  next = setTimeout(connect, delay, password, { since, tries: tries + 1 });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(next);
  const previous = current;
  current = null;
  previous?.disconnect();
  show("Connecting…", "正在连接…");
  connect(input.value);
});
document.querySelector("button").disabled = false; // enabled now, because without this script it would only reload the page
