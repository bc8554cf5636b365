// The size of text and controls in the desktop. Each choice is sent as a key that no keyboard has. session/keycodes.py
// in the desktop handles it, and the portal does not treat it as input.
import { preference, remember } from "./preferences.js";
import { onScreenChange, screenKey } from "./thisscreen.js";

const KEYS = { 100: 0x1008f000, 125: 0x1008f001, 150: 0x1008f002, 200: 0x1008f003 };
const AFTER_CHOICE = 500; // milliseconds; arrow keys select each choice in between
const AFTER_CONNECT = 4_000; // milliseconds; a new session starts its programs first

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
  const restore = () => {
    const chosen = preference(screenKey("scale"), "");
    select.value = chosen in KEYS ? chosen : "";
  };
  restore();
  onScreenChange(() => {
    restore();
    sendAfter(AFTER_CHOICE);
  });
  select.addEventListener("change", () => {
    remember(screenKey("scale"), select.value);
    sendAfter(AFTER_CHOICE);
  });
  lifecycle.addEventListener("connected", () => sendAfter(AFTER_CONNECT));
}
