"""Keys that the browser handles itself, pressed on a real keyboard, must not close the viewer without a question."""

import shlex

import pytest
from playwright.sync_api import expect

from desktops.tests.support.terminal_reader import FOCUS, READER
from tests.e2e.conftest import sign_in
from tests.support.running_podesk import wait_for
from tests.support.viewer_page import Screen
from tests.support.x_display import CONTROL, x_display

pytestmark = pytest.mark.browser
NOTE_LOCKS = """() => {
  const {lock} = Keyboard.prototype;
  Keyboard.prototype.lock = async function (...keys) {
    await lock.apply(this, keys);
    top.document.documentElement.dataset.lock = "granted";
  };
}"""


@pytest.fixture(scope="module")
def display():
    with x_display() as opened:
        yield opened


@pytest.fixture
def page(launch_chromium, display, portal):
    """Yield a signed-in page in a window on the display. `asked` lists its dialogs, all answered with "stay"."""
    browser = launch_chromium(headless=False, env=display.environment)
    page = sign_in(browser.new_context(base_url=portal.url, no_viewport=True).new_page(), portal)
    display.wait_for_focus()
    page.asked = []

    def stay(dialog):
        page.asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    page.add_init_script(f"({NOTE_LOCKS})()")
    yield page
    browser.close()


@pytest.fixture
def viewer(page, portal, desktop):
    opened = Screen(page, desktop, portal).open()
    yield opened
    opened.tidy()


def test_closing_is_asked_while_the_desktop_is_in_use(viewer, display):
    viewer.page.mouse.click(700, 400)
    with viewer.page.expect_event("dialog"):
        display.keyboard.key(CONTROL, ord("w"))
    assert viewer.page.asked == ["beforeunload"]
    expect(viewer.page.locator("#overlay")).to_have_attribute("data-state", "connected")


@pytest.mark.parametrize("path", ["", "view/"], ids=["in its page", "alone"])
def test_full_screen_locks_the_keyboard(page, desktop, path):
    page.goto(f"/desktops/{desktop}/{path}")
    viewer = page if path else page.frame_locator("iframe.viewer")
    viewer.locator("#overlay[data-state=connected]").wait_for(state="attached")
    if viewer.locator("#tools").is_hidden():
        viewer.locator("#handle").click()
    viewer.get_by_role("toolbar").get_by_text("Full screen").click()
    expect(page.locator("html")).to_have_attribute("data-lock", "granted")


def test_full_screen_sends_the_keys_of_the_browser_to_the_desktop(viewer, display):
    terminal = ["xfce4-terminal", "--maximize", "--execute", "python3", "-c", READER]
    viewer.inside("sh", "-c", f"cd; {shlex.join(terminal)} >/dev/null 2>&1 &")
    wait_for(viewer.file("typed").exists)
    viewer.tool("Full screen")
    viewer.page.wait_for_selector("html[data-lock]")

    def focused() -> bool:
        viewer.page.mouse.click(700, 400)
        return viewer.file("typed").read_text().endswith(FOCUS)

    wait_for(focused)
    for letter in "wtn":
        display.keyboard.key(CONTROL, ord(letter))
    wait_for(lambda: viewer.file("typed").read_bytes().endswith(b"\x17\x14\x0e"))  # Ctrl+W, Ctrl+T, Ctrl+N
    assert viewer.page.asked == []
    assert viewer.page.context.pages == [viewer.page]


def test_a_person_who_chose_to_leave_is_not_asked(viewer):
    viewer.page.mouse.click(700, 400)
    viewer.tool("My Desktop")
    viewer.page.wait_for_url(f"**/desktops/{viewer.desktop}/")
    assert viewer.page.asked == []


def test_a_desktop_that_has_ended_does_not_hold_the_window(viewer, person, desktop):
    viewer.page.mouse.click(700, 400)
    person.act(desktop, "stop")
    viewer.expect_card("This desktop was stopped.")
    with viewer.page.expect_event("close"):
        viewer.page.close(run_before_unload=True)
    assert viewer.page.asked == []
