// Keep the page as tall as what can be seen: an on-screen keyboard covers the lower half without telling the layout.
export function followViewport() {
  const seen = window.visualViewport;
  if (!seen) return;
  const follow = () => {
    if (seen.scale !== 1) return; // the person has zoomed in: leave it alone
    document.documentElement.style.setProperty("--seen-height", `${Math.floor(seen.height)}px`);
    scrollTo(0, 0);
  };
  seen.addEventListener("resize", follow);
  follow();
}
