// The entry: what takes longest is begun first, all at once - the token, noVNC, and the page's own parts.
import { mint } from "./session.js";

// The page around us may have loaded us ahead of the desktop: then it says when.
const told = new Promise((go) => (window.frameElement?.dataset.hold === undefined ? go() : addEventListener("go", go)));
const head = { answer: told.then(mint), RFB: import("../../novnc/core/rfb.js").then((module) => module.default) };
import("./stage.js").then((stage) => stage.raise(head));
