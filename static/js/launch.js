// Show in the quota bars how much the chosen size would use.
"use strict";
(() => {
  const form = document.getElementById("launch-form");

  function chosenSize() {
    const image = form.querySelector("input[name=image]:checked");
    return image && form.querySelector(`input[name="size-${CSS.escape(image.value)}"]:checked`);
  }

  // Kept files are already included in the usage, and keep their size.
  function needed(size, key) {
    if (key === "desktops") return 1;
    return key === "storage_gib" && form.elements.volume?.value ? 0 : Number(size.dataset[key]);
  }

  function show(line, take, text) {
    const { used, limit } = line.dataset;
    const over = Number(used) + take > Number(limit);
    const percent = over ? 100 : (100 * (Number(used) + take)) / Number(limit) || 0;
    line.querySelector(".take").setAttribute("width", `${percent}%`);
    line.querySelector(".take-text").textContent = take ? ` ${form.dataset.takeText.replace("%s", text ?? take)}` : "";
    line.classList.toggle("over", over);
  }

  function update() {
    const size = chosenSize();
    for (const line of form.querySelectorAll("[data-quota]")) {
      const { quota } = line.dataset;
      show(line, size ? needed(size, quota) : 0, size?.dataset[`text_${quota}`]);
    }
  }

  form.addEventListener("change", update);
  addEventListener("pageshow", update); // the browser may have restored the choice
  update();
})();
