// The entry: what takes longest is begun first, all at once - the token, noVNC, and the page's own parts.
// Nothing is imported statically: when the network changes in the midst of it, here is who knows what to do.

// The page around us may have loaded us ahead of the desktop: then it says when.
const told = new Promise((go) => (window.frameElement?.dataset.hold === undefined ? go() : addEventListener("go", go)));
const session = import("./session.js");
const stage = import("./stage.js");
const RFB = import("../../novnc/core/rfb.js").then((module) => module.default);
const answer = Promise.all([session, told]).then(([{ mint }]) => mint());

// A browser remembers a module that failed; a new page asks again. First we look whether there would be one.
async function again(wait) {
  await new Promise((go) => setTimeout(go, wait));
  const reachable = await fetch(location.href, { cache: "no-store" }).then((page) => page.ok, () => false);
  if (reachable) location.reload();
  else again(Math.min(2 * wait, 30_000));
}

stage.then(({ raise }) => raise({ answer, RFB }), () => {});
Promise.all([session, stage, RFB]).catch(() => again(1_000));
