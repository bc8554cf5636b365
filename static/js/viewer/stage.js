// Create the viewer's parts and connect them.
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

const byId = (id) => document.getElementById(id);

/** `preloaded` has the promises that viewer.js created before these modules were loaded. */
export function startViewer(preloaded) {
  const screen = byId("screen");
  const framed = window.top !== window;
  byId(framed ? "back" : "own-window").remove(); // before the toolbar collects its tools
  const lifecycle = new Lifecycle(screen, { ...preloaded, RFB: preloaded.RFB.then(withNativeResolution) });
  const overlay = new Overlay(() => lifecycle.retry());
  const clipboard = new Clipboard(lifecycle);
  const sender = new TextSender(lifecycle, clipboard);
  const refreshFacts = facts(lifecycle, screen);
  const panels = new Panels(byId("tools"), refreshFacts);
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
  specialKeys(lifecycle, byId("keys"));
  display(lifecycle, byId("display-form"));
  scale(lifecycle, byId("scale"));
  pasteBox(clipboard, lifecycle);
  guardFocus(lifecycle, screen, () => toolbar.enter());
  guardLeaving(lifecycle, screen);
  fullScreen(byId("full-screen"));
  new TypingLine(lifecycle, sender, byId("keyboard"));
  byId("screenshot").addEventListener("click", () => lifecycle.rfb && saveScreenshot(lifecycle.rfb));
  screen.addEventListener("pointerdown", () => toolbar.open(false), { capture: true });
  lifecycle.retry();
}
