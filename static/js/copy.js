// Copy buttons. They stay hidden without JavaScript, where people select and copy the text themselves.
const DONE_SHOWN = 2000; // milliseconds
const announcer = document.getElementById("announcer");

function reveal() {
  for (const button of document.querySelectorAll("[data-copy][hidden]")) button.hidden = false;
}

// Browsers offer the clipboard API only to pages served over HTTPS. Over plain HTTP, select the text and copy that.
async function copy(source) {
  if (navigator.clipboard) return navigator.clipboard.writeText(source.textContent.trim());
  getSelection().selectAllChildren(source);
  if (!document.execCommand("copy")) throw new Error("not copied"); // the text stays selected
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
  setTimeout(() => button.classList.remove("done"), DONE_SHOWN);
});

document.addEventListener("htmx:load", reveal);
reveal();
