"""My Desktop in a real browser: launch, live states, keyboard, without scripts, and the findings of axe-core."""

import os
import re
from pathlib import Path
from uuid import UUID

import pytest
from playwright.sync_api import Page, expect

from podesk_cli.folders import CHECKOUT
from tests.support.running_podesk import wait_for

pytestmark = pytest.mark.browser
# Redraw the panel, and wait until the answer was used.
REFRESH = """new Promise((done) => {
  document.body.addEventListener("htmx:afterRequest", done, {once: true});
  htmx.trigger("#panel", "refresh");
}).then(() => true)"""
AXE = Path(CHECKOUT / "node_modules/axe-core/axe.min.js")


@pytest.fixture
def page(device, desktop) -> Page:
    """Return the page of a running desktop."""
    opened = device().new_page()
    opened.goto("/")
    expect(opened.locator("#stage iframe")).to_be_visible()
    return opened


@pytest.fixture
def none(person, portal) -> None:
    """Delete all desktops."""

    def rows() -> list[tuple[str, str]]:
        return portal.query("SELECT id, status FROM desktops_desktop")

    def gone() -> bool:
        for identity, status in rows():
            if status in ("running", "stopped", "failed"):
                person.act(str(UUID(str(identity))), "delete", home_folder="delete")
        return not rows()

    wait_for(gone)


def state(page: Page, status: str) -> None:
    expect(page.locator("#state")).to_have_attribute("data-status", status)


def focused(page: Page) -> str:
    return page.evaluate("document.activeElement.id")


def serious(page: Page) -> list[str]:
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run({iframes: false}).then((found) => found.violations)")
    return [f"{one['id']}: {one['nodes'][0]['target']}" for one in found if one["impact"] in ("serious", "critical")]


def test_from_nothing_to_a_screen_by_keyboard_alone(none, device):
    page = device().new_page()
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to content")
    page.keyboard.press("Enter")
    for _ in range(12):
        page.keyboard.press("Tab")
        if focused(page) == "launch-button":
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/desktops/*/")
    expect(page.locator("#stage iframe")).to_be_visible()  # it opens without a click
    expect(page).to_have_title("desktop · Podesk")


def test_time_zone_of_the_browser_at_launch_and_start(none, device, portal):
    """The start button sends it by `fetch`, and the launch by a plain form."""

    def reported() -> str:
        return portal.query("SELECT browser_time_zone FROM accounts_user")[0][0]

    page = device(timezone_id="Asia/Tokyo").new_page()
    page.goto("/?new")
    page.locator("#launch-button").click()
    state(page, "running")
    assert reported() == "Asia/Tokyo"
    page = device(timezone_id="America/Lima").new_page()
    page.goto("/")
    page.locator("#restart-button").click()
    wait_for(lambda: reported() == "America/Lima")
    state(page, "running")


def test_time_zone_is_chosen_by_keyboard(device):
    page = device(viewport={"width": 360, "height": 700}, color_scheme="dark").new_page()
    page.goto("/accounts/time-zone/")
    page.get_by_label("Time zone", exact=True).focus()
    page.keyboard.type("Europe/Berlin")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("show the time of Europe/Berlin")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_label("Time zone", exact=True).select_option("")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Your time zone was saved")).to_be_visible()
    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=f"{folder}/phone.png")
        page.set_viewport_size({"width": 1280, "height": 800})
        page.emulate_media(color_scheme="light")
        page.locator("#account-menu summary").click()
        page.screenshot(path=f"{folder}/wide.png")


def test_launched_twice_by_the_back_button_is_one_desktop(none, device, portal):
    page = device().new_page()
    page.goto("/")
    page.click("#launch-button")
    page.wait_for_url("**/desktops/*/")
    address = page.url
    page.go_back()
    if page.locator("#launch-button").count():  # the browser shows the old page, or requests it again and is redirected
        page.click("#launch-button")
    page.wait_for_url(address)
    assert len(portal.query("SELECT id FROM desktops_desktop")) == 1


def test_the_screen_and_the_focus_stay_while_the_panel_is_redrawn(page):
    page.evaluate("document.querySelector('#stage iframe').contentWindow.mark = 'still here'")
    page.evaluate("document.getElementById('desktop-title').mark = 'old'")
    page.focus("#restart-button")
    # Change the next answer, so that the page has something to redraw.
    page.route("**/panel/", lambda route: route.fulfill(body=route.fetch().text().replace("</h1>", "!</h1>")))
    page.evaluate("htmx.trigger('#panel', 'refresh')")
    expect(page.locator("#desktop-title")).to_have_text("desktop!")
    assert page.evaluate("document.getElementById('desktop-title').mark") is None  # redrawn
    assert page.evaluate("document.querySelector('#stage iframe').contentWindow.mark") == "still here"
    assert focused(page) == "restart-button"


def test_an_answer_that_changes_nothing_is_not_drawn(page):
    page.evaluate(REFRESH)
    page.evaluate("document.getElementById('desktop-title').mark = 'same'")
    page.evaluate(REFRESH)
    assert page.evaluate("document.getElementById('desktop-title').mark") == "same"


def test_use_is_measured_again_and_again(page):
    expect(page.locator("#usage")).to_contain_text("CPU")
    for _ in range(2):
        with page.expect_response("**/usage/"):
            pass


def test_stop_and_start_by_keyboard_are_announced_and_keep_the_focus_near(page):
    page.focus("#stop-button")
    page.keyboard.press("Enter")
    state(page, "stopped")
    expect(page.locator("#announcer")).to_contain_text("You stopped it.")
    expect(page).to_have_title("desktop (stopped) · Podesk")
    assert page.locator("#stage iframe").count() == 0
    assert focused(page) == "desktop-title"
    page.keyboard.press("Tab")
    assert focused(page) == "delete-link"
    page.keyboard.press("Enter")
    expect(page.locator("#delete-dialog")).to_be_visible()
    page.keyboard.press("Escape")
    assert focused(page) == "delete-link"
    page.keyboard.press("Tab")
    assert focused(page) == "start-button"
    page.keyboard.press("Enter")
    expect(page.locator("#stage iframe")).to_be_visible()


def test_the_other_tab_follows(page):
    other = page.context.new_page()
    other.goto("/")
    state(other, "running")
    page.click("#stop-button")
    state(page, "stopped")
    state(other, "stopped")
    assert other.locator("#stage iframe").count() == 0


def test_follows_by_polling_when_the_socket_fails(device, desktop, person):
    page = device().new_page()
    page.route_web_socket("**/ws/status/", lambda socket: socket.close())
    page.clock.install()
    page.goto("/")
    state(page, "running")
    person.act(desktop, "stop")
    page.clock.fast_forward(16_000)  # the next poll of an idle page; the interval is 3 seconds during changes
    state(page, "stopped")


def test_says_when_the_portal_is_away_and_when_it_is_back(page):
    parts = re.compile(r"/(panel|usage)/$")
    page.route(parts, lambda route: route.abort())
    page.evaluate("htmx.trigger('#panel', 'refresh')")
    expect(page.locator("#unavailable")).to_be_visible()
    page.unroute(parts)
    page.evaluate("htmx.trigger('#panel', 'refresh')")
    expect(page.locator("#unavailable")).to_have_count(0)


def test_signed_out_in_another_tab_leads_to_the_login_and_back(page, desktop):
    other = page.context.new_page()
    other.goto("/")
    other.click("#account-menu summary")
    other.get_by_role("button", name="Sign out", exact=True).click()
    page.wait_for_url(re.compile(r"/accounts/login/\?next="))
    assert desktop in page.url


def test_after_a_deletion_the_page_goes_home_without_a_failed_request(page):
    page.click("#stop-button")
    state(page, "stopped")
    failed, faults = [], []
    page.on("response", lambda answer: answer.status >= 400 and failed.append(answer.url))
    page.on("console", lambda message: message.type == "error" and faults.append(message.text))
    page.click("#delete-link")
    page.get_by_role("button", name="Delete desktop").click()
    page.wait_for_selector("#launch-button")
    assert (failed, faults) == ([], [])


def test_works_without_script(device, desktop):
    page = device(java_script_enabled=False).new_page()
    page.goto(f"/desktops/{desktop}/")
    with page.expect_navigation():
        page.click("#stop-button")

    def stopped() -> int:
        page.goto(f"/desktops/{desktop}/")
        return page.locator("#start-button").count()

    wait_for(stopped)
    page.click("#delete-link")
    expect(page.locator("#delete-dialog")).to_be_visible()
    page.click("#delete-dialog a")
    expect(page.locator("#delete-dialog")).to_be_hidden()
    with page.expect_navigation():
        page.click("#start-button")
    assert page.url.endswith(f"/desktops/{desktop}/")
    assert page.locator("#state").get_attribute("data-status") in ("pending", "starting", "running")


def test_the_chosen_theme_is_kept(device, desktop):
    page = device(color_scheme="light").new_page()
    page.goto("/")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.click("#account-menu summary")
    page.click("[data-set-theme=dark]")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"


def test_usage_stays_on_one_line_on_a_phone(device, desktop):
    page = device(viewport={"width": 390, "height": 844}).new_page()
    page.goto("/")
    expect(page.locator("#usage")).to_contain_text("CPU")
    write = "text => document.querySelectorAll('#usage .numbers').forEach((e) => (e.textContent = text))"
    for text in ("190 MiB of 2 GiB", "1.9 of 2 cores"):
        page.evaluate(write, text)
        heights = page.evaluate("[...document.querySelectorAll('#usage .meter-head')].map((e) => e.offsetHeight)")
        assert max(heights) < 30, text


@pytest.mark.parametrize(("scheme", "size"), [("light", (1440, 900)), ("dark", (390, 844))], ids=["light", "dark"])
def test_axe_finds_nothing_serious_and_nothing_overflows(device, desktop, person, portal, scheme, size):
    page = device(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, bypass_csp=True, reduced_motion="reduce"
    ).new_page()

    def look(name: str) -> None:
        assert serious(page) == [], name
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0], name

    page.goto("/")
    expect(page.locator("#usage")).to_contain_text("CPU")
    page.click("#account-menu summary")
    page.click("#log summary")
    look("running")
    page.goto("/?new")
    look("launch")
    page.goto("/accounts/password/")
    look("password")
    page.goto("/nothing/")
    look("404")
    person.act(desktop, "stop")
    page.goto("/")
    state(page, "stopped")
    look("stopped")
    page.click("#delete-link")
    look("delete")
    page.context.clear_cookies()
    page.goto("/accounts/login/")
    look("login")
