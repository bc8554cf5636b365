"""The page notices a connection that fails without closing, and keeps one that is only idle."""

import time

import pytest
from playwright.sync_api import expect

from tests.support.silent_line import silent_line
from tests.support.viewer_page import Screen

pytestmark = pytest.mark.browser
PROMISED = 15_000  # milliseconds until the page reports it


@pytest.fixture
def line(portal):
    with silent_line(portal.port) as made:
        yield made


@pytest.fixture
def far_screen(device, desktop, portal, line):
    return Screen(device(base_url=line.url).new_page(), desktop, portal).open()


@pytest.mark.parametrize("doing", ["idle", "typing"])
def test_viewer_says_so_and_comes_back(far_screen, line, doing):
    far_screen.page.focus("#screen canvas")
    line.go_silent()
    if doing == "typing":
        far_screen.page.keyboard.type("nobody hears this", delay=50)
    expect(far_screen.page.locator("#overlay [data-part=title]")).to_have_text(
        "The connection was lost.", timeout=PROMISED
    )
    assert far_screen.page.locator("#last-frame").is_visible()
    line.recover()
    far_screen.wait_connected(40)


def test_page_says_so_and_comes_back(device, desktop, line):
    page = device(base_url=line.url).new_page()
    with page.expect_event("websocket", lambda socket: "/ws/status/" in socket.url) as opened:
        page.goto(f"/desktops/{desktop}/")
    opened.value.wait_for_event("framereceived", timeout=PROMISED)  # the first keepalive
    line.go_silent()
    expect(page.locator("#unavailable")).to_be_visible(timeout=PROMISED)
    line.recover()
    expect(page.locator("#unavailable")).to_be_hidden(timeout=40_000)


def test_idle_line_is_left_alone(far_screen):
    """A tab that was frozen, as when a laptop sleeps, also keeps it: the messages are read afterwards."""
    opened: list[str] = []
    far_screen.page.on("websocket", lambda socket: opened.append(socket.url))
    time.sleep(14)  # longer than the timeout
    lifecycle = far_screen.page.context.new_cdp_session(far_screen.page)
    lifecycle.send("Page.setWebLifecycleState", {"state": "frozen"})
    time.sleep(15)
    lifecycle.send("Page.setWebLifecycleState", {"state": "active"})
    time.sleep(3)
    expect(far_screen.page.locator("#overlay")).to_have_attribute("data-state", "connected")
    assert opened == []
