// The entry: what takes longest is begun first, all at once - the token, noVNC, and the page's own parts.
import { mint } from "./session.js";

const head = { answer: mint(), RFB: import("../../novnc/core/rfb.js").then((module) => module.default) };
import("./stage.js").then((stage) => stage.raise(head));
