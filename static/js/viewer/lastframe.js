// Keep the last picture, dimmed, while the connection is down. Remove it when the connection has ended permanently,
// because another person may be at this device by then.
let still = null;

export function keepLastFrame(screen) {
  const canvas = screen.querySelector("canvas");
  if (!canvas?.width) return;
  dropLastFrame();
  const { left, top, width, height } = canvas.getBoundingClientRect();
  still = document.createElement("canvas");
  Object.assign(still, { id: "last-frame", className: "last-frame", ariaHidden: "true", width: canvas.width, height: canvas.height });
  Object.assign(still.style, { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` });
  still.getContext("2d").drawImage(canvas, 0, 0);
  screen.after(still);
}

export function dropLastFrame() {
  still?.remove();
  still = null;
}
