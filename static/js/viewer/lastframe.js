// While the line is down the last picture stays, dimmed. After an end for good it goes: somebody else may sit here now.
// Its canvas is there only as long as it shows something: otherwise the desktop's is the only one.
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
