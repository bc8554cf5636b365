// Save the screen as a PNG file, named after the desktop and the time.
import { config } from "./config.js";

const timestamp = (now) => {
  const local = new Date(now.getTime() - now.getTimezoneOffset() * 60_000).toISOString();
  return local.slice(0, 19).replace("T", " ").replaceAll(":", "-");
};

export function saveScreenshot(rfb) {
  rfb.toBlob((picture) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(picture);
    link.download = `${config.name} ${timestamp(new Date())}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }, "image/png");
}
