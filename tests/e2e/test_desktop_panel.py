"""The panel at the bottom of the desktop, as people see it in the viewer."""

import pytest

from tests.support.running_podesk import wait_for

pytestmark = pytest.mark.browser
SECONDS = 3  # how long the clock is watched

# Notes each distinct picture of the corner with the clock: for each column of pixels, whether it has a bright one.
WATCH = """() => {
  const canvas = document.querySelector("#screen canvas");
  const seen = (window.clockPictures ??= new Set());
  const look = () => {
    requestAnimationFrame(look);
    if (!canvas.width) return;
    const {data} = canvas.getContext("2d").getImageData(canvas.width - 70, canvas.height - 33, 70, 30);
    const columns = Array.from({length: 70}, (_, x) =>
      Array.from({length: 30}, (_, y) => 4 * (70 * y + x)).some((at) => Math.min(...data.slice(at, at + 3)) > 110));
    if (columns.some((bright) => bright)) seen.add(columns.map((bright) => (bright ? "#" : " ")).join(""));
  };
  look();
}"""


@pytest.mark.parametrize("size", [(1024, 640), (1280, 800)])
def test_clock_is_whole_from_the_first_moment(device, desktop, size):
    page = device(viewport={"width": size[0], "height": size[1]}).new_page()
    page.goto(f"/desktops/{desktop}/")
    page.click("#stop-button")
    page.click("#start-button")
    frame = page.locator("#stage iframe").element_handle().content_frame()
    assert frame
    frame.wait_for_selector("#screen canvas", state="attached")
    frame.evaluate(WATCH)
    wait_for(lambda: frame.evaluate("clockPictures.size"))
    page.wait_for_timeout(SECONDS * 1000)
    pictures = frame.evaluate("[...clockPictures]")
    assert {len(picture.split()) for picture in pictures} == {5}, pictures  # four digits and a colon
