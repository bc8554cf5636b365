// Special keys: modifiers that stay down until pressed again, and keys that browsers keep or phones lack.
import KeyTable from "../../novnc/core/input/keysym.js";

const parse = (keys) =>
  keys.split(" ").map((key) => {
    const [name, code = name] = key.split(":");
    return { keysym: KeyTable[`XK_${name}`], code };
  });

function press(rfb, keys) {
  for (const { keysym, code } of keys) rfb.sendKey(keysym, code, true);
  for (const { keysym, code } of keys.toReversed()) rfb.sendKey(keysym, code, false);
}

/** Buttons have data-keys such as "Control_L:ControlLeft Delete". Buttons with aria-pressed hold their key down. */
export function specialKeys(lifecycle, panel) {
  const modifiers = [...panel.querySelectorAll("[data-keys][aria-pressed]")];
  const set = (button, down) => {
    button.setAttribute("aria-pressed", String(down));
    for (const { keysym, code } of parse(button.dataset.keys)) lifecycle.rfb?.sendKey(keysym, code, down);
  };
  const isHeld = (button) => button.getAttribute("aria-pressed") === "true";

  panel.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-keys]");
    if (!button || !lifecycle.rfb) return;
    if (modifiers.includes(button)) set(button, !isHeld(button));
    else press(lifecycle.rfb, parse(button.dataset.keys));
  });
  const releaseAll = () => modifiers.filter(isHeld).forEach((button) => set(button, false));
  lifecycle.addEventListener("connected", releaseAll);
  addEventListener("pagehide", releaseAll);
}
