// A plain noVNC page for those who reach the desktop without the portal. It lies beside its WebSocket, at any path.
import RFB from "./core/rfb.js";

const chinese = navigator.language.startsWith("zh");
const say = (english, inChinese) => { status.textContent = chinese ? inChinese : english; };
const [form, input, status, screen] = ["form", "input", "[role=status]", "#screen"].map((s) => document.querySelector(s));
if (chinese) {
  document.documentElement.lang = "zh-CN";
  for (const element of document.querySelectorAll("[data-zh]")) element.textContent = element.dataset.zh;
}

function connect(password) {
  const socket = new URL("websockify", location.href);
  socket.protocol = socket.protocol.replace("http", "ws");
  const desktop = new RFB(screen, socket.href, { credentials: { password } });
  desktop.resizeSession = desktop.scaleViewport = true;
  let refused = false;
  desktop.addEventListener("connect", () => { form.hidden = true; say("", ""); desktop.focus(); });
  desktop.addEventListener("securityfailure", () => { refused = true; });
  desktop.addEventListener("disconnect", () => {
    form.hidden = false;
    input.select();
    if (refused) say("That password is not right.", "密码不正确。");
    else say("The connection has ended.", "连接已断开。");
  });
  desktop.addEventListener("clipboard", ({ detail }) => navigator.clipboard?.writeText(detail.text).catch(() => {}));
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  say("Connecting…", "正在连接…");
  connect(input.value);
});
document.querySelector("button").disabled = false; // before, a press would only have loaded the page again
