"""Signing in with two tabs of one browser, as after a weekend."""

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
LOGIN = "/accounts/login/?next=/accounts/tokens/"


def sign_in(page: Page, password: str) -> None:
    page.fill("[name=username]", "admin")
    page.fill("[name=password]", password)
    page.keyboard.press("Enter")


@pytest.fixture
def tabs(chromium, portal):
    """Yield two tabs that both show the login form."""
    context = chromium.new_context(base_url=portal.url)
    yield [context.new_page(), context.new_page()]
    context.close()


def test_the_other_tab_goes_on_to_where_it_wanted(tabs, portal):
    for page in tabs:
        page.goto(LOGIN)
    for page in tabs:
        sign_in(page, portal.password)
        page.wait_for_url(f"{portal.url}/accounts/tokens/")


def test_after_signing_out_the_form_keeps_the_name_and_works(tabs, portal):
    first, second = tabs
    for page in tabs:
        page.goto(LOGIN)
    sign_in(first, portal.password)
    first.wait_for_url(f"{portal.url}/accounts/tokens/")
    first.locator("form[action='/accounts/logout/'] button").evaluate("button => button.click()")
    first.wait_for_url(f"{portal.url}/accounts/login/")
    sign_in(second, portal.password)
    expect(second.get_by_role("alert")).to_contain_text("The form had expired.")
    expect(second.locator("[name=username]")).to_have_value("admin")
    expect(second.locator("[name=password]")).to_be_focused()
    second.keyboard.type(portal.password)
    second.keyboard.press("Enter")
    second.wait_for_url(f"{portal.url}/accounts/tokens/")


def test_after_a_wrong_password_the_cursor_is_in_its_field(tabs, portal):
    page = tabs[0]
    page.goto(LOGIN)
    expect(page.locator("[name=username]")).to_be_focused()
    sign_in(page, "wrong")
    expect(page.get_by_role("alert")).to_contain_text("The username or password is incorrect.")
    expect(page.locator("[name=username]")).to_have_value("admin")
    expect(page.locator("[name=password]")).to_be_focused()
    page.keyboard.type(portal.password)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{portal.url}/accounts/tokens/")
