"""The page of API tokens in a real browser: create, show once, use and revoke, by keyboard, and without scripts."""

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.test_pages import focused, serious

pytestmark = pytest.mark.browser
PAGE = "/accounts/tokens/"


def status(portal, text: str) -> int:
    """Return the status of a request with that token."""
    return httpx.get(f"{portal.url}/api/v1/auth/tokens", headers={"X-User-Token": text}).status_code


def go_to(page: Page, identity: str) -> None:
    for _ in range(40):
        if focused(page) == identity:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not lead to {identity}")


def test_made_shown_once_and_revoked_by_keyboard_alone(device, portal):
    context = device()
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(PAGE)
    go_to(page, "id_label")
    page.keyboard.type("made by keyboard")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")  # without the screen permission
    go_to(page, "id_lifetime")
    page.keyboard.type("7")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect(page.locator("#new-title")).to_be_focused()  # so that it is read aloud
    text = page.locator("#new-token").inner_text()
    assert status(portal, text) == 200
    go_to(page, "new-token")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#announcer")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == text
    go_to(page, "done-link")
    page.keyboard.press("Enter")
    expect(page.locator("#new-token")).to_have_count(0)
    assert text not in page.content()

    line = page.locator("li", has_text="made by keyboard")
    expect(line.locator(".tag")).to_have_text(["SSH"])
    expect(line).to_contain_text("from 127.0.0.1")
    expect(line).to_contain_text("Expires in 7 days")
    ask = line.locator("a").get_attribute("id")
    go_to(page, ask)
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("Revoke the token “made by keyboard”?")
    page.keyboard.press("Escape")
    assert focused(page) == ask
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#messages")).to_contain_text("The token was revoked")
    expect(line).to_have_count(0)
    assert status(portal, text) == 401


def test_works_without_script(device, portal):
    page = device(java_script_enabled=False).new_page()
    page.goto(PAGE)
    page.fill("#id_label", "without script")
    page.click("#create-button")
    text = page.locator("#new-token").inner_text()
    assert status(portal, text) == 200
    page.click("#done-link")
    page.click("#ask-all")
    expect(page.locator("#revoke-all")).to_be_visible()
    page.click("#revoke-all a")
    expect(page.locator("#revoke-all")).to_be_hidden()
    page.click("#ask-all")
    with page.expect_navigation():
        page.click("#revoke-all button")
    assert status(portal, text) == 401


@pytest.mark.parametrize(("scheme", "size"), [("light", (1280, 900)), ("dark", (390, 844))], ids=["light", "dark"])
def test_axe_finds_nothing_serious_and_nothing_overflows(device, scheme, size):
    page = device(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, bypass_csp=True, reduced_motion="reduce"
    ).new_page()

    def look(name: str) -> None:
        assert serious(page) == [], name
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0], name

    page.goto(PAGE)
    page.click("#create-button")
    look("errors")
    page.fill("#id_label", "x" * 100)
    page.click("#create-button")
    expect(page.locator("#new-token")).to_be_visible()
    page.click("details.more summary")
    look("new")
    page.click("#done-link")
    page.locator("[id^=ask-]:not(#ask-all)").first.click()
    look("dialog")
