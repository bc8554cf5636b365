"""The messages of the viewer when the stream ends, and how it reconnects."""

import re
import signal
import time

import pytest
from playwright.sync_api import expect

from tests.support.running_podesk import wait_for
from tests.support.viewer_page import Screen

pytestmark = pytest.mark.browser


def wait_stopped(portal):
    wait_for(lambda: portal.query("SELECT status FROM desktops_desktop")[0][0] == "stopped")


def stop_web(portal, sign):
    portal.part("portal.server").send_signal(sign)


@pytest.mark.parametrize(
    ("sign", "title"),
    [(signal.SIGTERM, "The portal is restarting."), (signal.SIGKILL, "The connection was lost.")],
    ids=["restarted", "killed"],
)
def test_comes_back_after_the_server_went(screen, portal, sign, title):
    viewer = screen().terminal()
    viewer.tool("Clipboard")
    viewer.page.fill("#paste-text", "written before")
    viewer.page.click("#paste-send")
    viewer.page.fill("#paste-text", "not lost")
    stop_web(portal, sign)
    viewer.expect_card(title, "Your programs keep running.", button="Try now")
    assert viewer.page.locator("#last-frame").is_visible()
    viewer.wait_connected()
    wait_for(lambda: viewer.colours() > 20)
    assert viewer.page.input_value("#paste-text") == "not lost"
    viewer.page.focus("#screen canvas")
    viewer.run("xclip -o -selection clipboard > again")
    viewer.wait_file("again", "written before")


def test_says_that_it_is_offline_and_returns_at_once(screen):
    viewer = screen()
    viewer.page.context.set_offline(True)
    viewer.expect_card("This device is offline.")
    viewer.page.context.set_offline(False)
    viewer.wait_connected()


def test_times_are_in_the_language_of_the_page(screen):
    """The page is English, because there is no German one. Germans write 14:05:00."""
    viewer = screen(locale="de-DE")
    viewer.page.context.set_offline(True)
    viewer.expect_card("This device is offline.")
    viewer.page.context.set_offline(False)
    viewer.wait_connected()
    viewer.tool("Connection")
    expect(viewer.page.locator("[data-fact=since]")).to_have_text(re.compile(r"^\d{1,2}:\d\d [AP]M$"))
    interruption = viewer.page.locator("[data-fact=breaks] li")
    expect(interruption).to_have_text(re.compile(r"^This device is offline\.(now|\d+ seconds ago)$"))


@pytest.mark.parametrize("module", ["rfb", "stage", "session", "backoff"])
def test_network_that_changes_while_the_viewer_loads(device, desktop, portal, module):
    """The browser does not request a failed module again, so the page reloads."""
    page = device().new_page()
    page.route(f"**/{module}*.js", lambda route: route.abort("internetdisconnected"), times=1)
    Screen(page, desktop, portal).open()


def test_logout_elsewhere_ends_it_here(screen, desktop):
    viewer = screen()
    other = viewer.page.context.new_page()
    other.goto("/accounts/password/")
    sign_out = other.locator("form[action='/accounts/logout/']")
    sign_out.evaluate("form => form.requestSubmit()")
    viewer.expect_card("You have signed out.", "Sign in to return", button="Sign in")
    assert not viewer.page.locator("#last-frame").is_visible()  # another person may be looking
    assert viewer.page.locator("#screen canvas").count() == 0
    link = viewer.page.get_by_role("link", name="Sign in").get_attribute("href")
    assert link == f"/accounts/login/?next=%2Fdesktops%2F{desktop}%2F"


def test_revoked_token_ends_it(screen, portal, person):
    viewer = screen()
    tokens = [str(token) for (token,) in portal.query("SELECT id FROM accounts_sessiontoken WHERE revoked_at IS NULL")]
    began = time.monotonic()
    answer = person.post("/admin/accounts/sessiontoken/", action="revoke", _selected_action=tokens)
    assert "The tokens were revoked." in answer.text
    viewer.expect_card("Your access has been withdrawn.", button="Sign in")
    print(f"revoke to sentence: {time.monotonic() - began:.2f} s")
    viewer.page.evaluate("dispatchEvent(new Event('focus'))")
    time.sleep(2)  # the viewer must not reconnect
    viewer.expect_card("Your access has been withdrawn.")


def test_stop_is_told_and_start_brings_it_back(screen, person, desktop, portal):
    viewer = screen()
    person.act(desktop, "stop")
    viewer.expect_card("This desktop was stopped.", "Start it again", button="Go to My Desktop")
    wait_stopped(portal)
    person.act(desktop, "start")
    viewer.page.get_by_role("button", name="Try now").click()
    viewer.wait_connected()
    wait_for(lambda: viewer.colours() > 20)


def test_restart_is_followed(screen, person, desktop):
    viewer = screen()
    person.act(desktop, "restart")
    expect(viewer.page.locator("#overlay")).to_have_attribute("data-state", "waiting")
    viewer.wait_connected()


def test_desktop_that_does_not_run_says_so_from_the_start(device, person, desktop, portal):
    person.act(desktop, "stop")
    wait_stopped(portal)
    page = device().new_page()
    page.goto(f"/desktops/{desktop}/view/")
    expect(page.locator("#overlay [data-part=title]")).to_have_text("You stopped it.")
    expect(page.locator("#overlay").get_by_role("link", name="Go to My Desktop")).to_be_visible()
