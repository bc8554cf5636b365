// While the line is down the last picture stays, dimmed. After an end for good it goes: somebody else may sit here now.
const still = document.getElementById("last-frame");

export function keepLastFrame(screen) {
  const canvas = screen.querySelector("canvas");
  if (!canvas?.width) return;
  const { left, top, width, height } = canvas.getBoundingClientRect();
  Object.assign(still.style, { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` });
  still.width = canvas.width;
  still.height = canvas.height;
  still.getContext("2d").drawImage(canvas, 0, 0);
  still.hidden = false;
}

export function dropLastFrame() {
  still.width = still.height = 0;
  still.hidden = true;
}
