// Special keys: modifiers that stay down until pressed again, and keys that a browser or a phone keeps for itself.
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

/** Buttons in the panel carry data-keys ("Control_L:ControlLeft Delete"); with aria-pressed they hold their key down. */
export function specialKeys(lifecycle, panel) {
  const holding = [...panel.querySelectorAll("[data-keys][aria-pressed]")];
  const set = (button, down) => {
    button.setAttribute("aria-pressed", String(down));
    for (const { keysym, code } of parse(button.dataset.keys)) lifecycle.rfb?.sendKey(keysym, code, down);
  };
  const isHeld = (button) => button.getAttribute("aria-pressed") === "true";

  panel.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-keys]");
    if (!button || !lifecycle.rfb) return;
    if (holding.includes(button)) set(button, !isHeld(button));
    else press(lifecycle.rfb, parse(button.dataset.keys));
  });
  const releaseAll = () => holding.filter(isHeld).forEach((button) => set(button, false));
  lifecycle.addEventListener("connected", releaseAll);
  addEventListener("pagehide", releaseAll);
}
