// The viewer's parts, put together.
import { Clipboard } from "./clipboard.js";
import { display } from "./display.js";
import { facts } from "./facts.js";
import { guardFocus } from "./focus.js";
import { fullScreen } from "./fullscreen.js";
import { adaptKeyboard } from "./keyboard.js";
import { specialKeys } from "./keys.js";
import { dropLastFrame, keepLastFrame } from "./lastframe.js";
import { guardLeaving } from "./leaving.js";
import { Lifecycle } from "./lifecycle.js";
import { withNativeResolution } from "./native.js";
import { Overlay } from "./overlay.js";
import { Panels } from "./panels.js";
import { pasteBox } from "./pastebox.js";
import { scale } from "./scale.js";
import { saveScreenshot } from "./screenshot.js";
import { TextSender } from "./text.js";
import { Toolbar } from "./toolbar.js";
import { TypingLine } from "./typing.js";
import { followViewport } from "./viewport.js";

const part = (id) => document.getElementById(id);

/** `head`: what was begun before these modules were here, see viewer.js. */
export function raise(head) {
  const screen = part("screen");
  const framed = window.top !== window;
  part(framed ? "back" : "alone").remove(); // before the toolbar counts its tools
  const lifecycle = new Lifecycle(screen, { ...head, RFB: head.RFB.then(withNativeResolution) });
  const overlay = new Overlay(() => lifecycle.retry());
  const clipboard = new Clipboard(lifecycle);
  const sender = new TextSender(lifecycle, clipboard);
  const refreshFacts = facts(lifecycle, screen);
  const panels = new Panels(part("tools"), refreshFacts);
  const toolbar = new Toolbar(() => panels.close({ refocus: false }));

  lifecycle.addEventListener("connecting", () => overlay.connecting());
  lifecycle.addEventListener("frozen", () => keepLastFrame(screen));
  lifecycle.addEventListener("waiting", ({ detail }) => overlay.waiting(detail));
  lifecycle.addEventListener("over", ({ detail }) => {
    dropLastFrame();
    overlay.over(detail);
  });
  lifecycle.addEventListener("connected", () => {
    dropLastFrame();
    overlay.connected();
  });
  lifecycle.addEventListener("connected", () => toolbar.introduce(), { once: true });

  lifecycle.addEventListener("connected", ({ detail: rfb }) => adaptKeyboard(rfb, screen.querySelector("canvas")));
  followViewport();
  specialKeys(lifecycle, part("keys"));
  display(lifecycle, part("display-form"));
  scale(lifecycle, part("scale"));
  pasteBox(clipboard, lifecycle);
  guardFocus(lifecycle, screen, () => toolbar.enter());
  guardLeaving(lifecycle, screen);
  fullScreen(part("full-screen"));
  new TypingLine(lifecycle, sender, part("keyboard"));
  part("screenshot").addEventListener("click", () => lifecycle.rfb && saveScreenshot(lifecycle.rfb));
  screen.addEventListener("pointerdown", () => toolbar.open(false), { capture: true });
  lifecycle.retry();
}
