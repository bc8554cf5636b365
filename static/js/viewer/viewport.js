// Keep the page as tall as its visible part: an on-screen keyboard covers the lower half without changing the layout.
export function followViewport() {
  const visible = window.visualViewport;
  if (!visible) return;
  const follow = () => {
    if (visible.scale !== 1) return; // the user has zoomed in
    document.documentElement.style.setProperty("--seen-height", `${Math.floor(visible.height)}px`);
    scrollTo(0, 0);
  };
  visible.addEventListener("resize", follow);
  follow();
}
