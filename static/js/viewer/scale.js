// The size of text and controls inside the desktop. Each choice is sent as a key that no keyboard has;
// session/keycodes.py in the desktop acts on it, and the portal does not count it as input.
import { preference, remember } from "./preferences.js";
import { ofThisScreen, onOtherScreen } from "./thisscreen.js";

const KEYS = { 100: 0x1008f000, 125: 0x1008f001, 150: 0x1008f002, 200: 0x1008f003 };
const AFTER_CHOICE = 500; // milliseconds: the arrow keys pass through the choices in between
const AFTER_CONNECT = 4_000; // milliseconds: a new session starts its programs first

export function scale(lifecycle, select) {
  let timer = 0;
  const send = () => {
    const { rfb } = lifecycle;
    if (rfb && !rfb.viewOnly && select.value in KEYS) rfb.sendKey(KEYS[select.value], null);
  };
  const sendAfter = (milliseconds) => {
    clearTimeout(timer);
    timer = setTimeout(send, milliseconds);
  };
  const recall = () => {
    const chosen = preference(ofThisScreen("scale"), "");
    select.value = chosen in KEYS ? chosen : "";
  };
  recall();
  onOtherScreen(() => {
    recall();
    sendAfter(AFTER_CHOICE);
  });
  select.addEventListener("change", () => {
    remember(ofThisScreen("scale"), select.value);
    sendAfter(AFTER_CHOICE);
  });
  lifecycle.addEventListener("connected", () => sendAfter(AFTER_CONNECT));
}
