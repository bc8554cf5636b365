// The entry point. It requests the token, noVNC and the viewer's modules at the same time.
// All imports are dynamic, so that this script can reload the page if one of them fails.

// The desktop's page may load the viewer while the desktop starts. It then sends "connect" when the desktop is ready.
const mayConnect = new Promise((done) => {
  if (window.frameElement?.dataset.hold === undefined) done();
  else addEventListener("connect", done);
});
const session = import("./session.js");
const stage = import("./stage.js");
const RFB = import("../../novnc/core/rfb.js").then((module) => module.default);
const answer = Promise.all([session, mayConnect]).then(([{ requestToken }]) => requestToken());

// Browsers do not retry a module that failed to load, but a reloaded page does. Reload when the portal answers.
async function reloadWhenReachable(wait) {
  await new Promise((done) => setTimeout(done, wait));
  const reachable = await fetch(location.href, { cache: "no-store" }).then((page) => page.ok, () => false);
  if (reachable) location.reload();
  else reloadWhenReachable(Math.min(2 * wait, 30_000));
}

stage.then(({ startViewer }) => startViewer({ answer, RFB }), () => {});
Promise.all([session, stage, RFB]).catch(() => reloadWhenReachable(1_000));
