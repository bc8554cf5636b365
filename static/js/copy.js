// Buttons that copy what stands beside them. Without script they are hidden: selecting by hand always works.
const DONE_SHOWS = 2000; // milliseconds
const announcer = document.getElementById("announcer");

function reveal() {
  for (const button of document.querySelectorAll("[data-copy][hidden]")) button.hidden = false;
}

// Browsers offer their clipboard to pages that came over HTTPS; over plain HTTP a selection is copied instead.
async function copy(source) {
  if (navigator.clipboard) return navigator.clipboard.writeText(source.textContent.trim());
  getSelection().selectAllChildren(source);
  if (!document.execCommand("copy")) throw new Error("not copied"); // what is to be copied stays selected
  getSelection().removeAllRanges();
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  try {
    await copy(document.getElementById(button.dataset.copy));
  } catch {
    return;
  }
  announcer.textContent = button.dataset.done;
  button.classList.add("done");
  setTimeout(() => button.classList.remove("done"), DONE_SHOWS);
});

document.addEventListener("htmx:load", reveal);
reveal();
