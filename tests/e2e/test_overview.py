"""The overview of the administration in a real browser: axe-core, phone width, keyboard, and live updates."""

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.test_pages import AXE, focused

pytestmark = pytest.mark.browser
PAGE = "/admin/"
NEXT = 16_000  # milliseconds until the page has asked again; it does so every 15 seconds


@pytest.fixture
def page(device, desktop) -> Page:
    opened = device().new_page()
    opened.goto(PAGE)
    return opened


@pytest.mark.parametrize(("scheme", "size"), [("light", (1280, 900)), ("dark", (390, 844))], ids=["light", "dark"])
def test_axe_finds_nothing_and_nothing_overflows(device, desktop, scheme, size):
    viewport = {"width": size[0], "height": size[1]}
    page = device(viewport=viewport, color_scheme=scheme, bypass_csp=True, reduced_motion="reduce").new_page()
    page.goto(PAGE)
    expect(page.locator("#overview-desktops")).to_contain_text("Running")
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run().then((found) => found.violations)")
    assert [f"{one['id']}: {one['nodes'][0]['html']}" for one in found] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
@pytest.mark.parametrize("address", ["/admin/usage-report/", "/admin/size-advice/"])
def test_axe_finds_nothing_on_the_reports(device, desktop, address, scheme, width):
    viewport = {"width": width, "height": 844}
    page = device(viewport=viewport, color_scheme=scheme, bypass_csp=True, reduced_motion="reduce").new_page()
    page.goto(address)
    expect(page.get_by_role("heading", level=2).first).to_be_visible()
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run().then((found) => found.violations)")
    assert [f"{one['id']}: {one['nodes'][0]['html']}" for one in found] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_tables_of_the_charts_by_keyboard(page):
    expect(page.get_by_role("img", name="Launches in each hour of the last day")).to_be_visible()
    for _ in range(60):
        if focused(page) == "hours-summary":
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#hours-table tbody tr")).to_have_count(24)
    expect(page.locator("#hours-table")).to_contain_text("Ready")


def test_a_change_appears_and_keeps_focus_and_open_tables(page, person, desktop, portal):
    expect(page.locator("#status-running")).to_have_text("Running")
    page.locator("#days-summary").press("Enter")
    page.locator("#status-running").focus()
    row = page.locator("li:has(#status-running) b")
    expect(row).to_have_text("1")
    person.act(desktop, "stop")
    expect(row).to_have_text("0")
    assert focused(page) == "status-running"
    expect(page.locator("#days-table")).to_have_attribute("open", "")


def test_it_says_when_the_portal_does_not_answer(device):
    page = device().new_page()
    page.clock.install()
    page.goto(PAGE)
    notice = page.locator("#overview-lost")
    expect(notice).to_be_hidden()
    page.context.set_offline(True)
    page.clock.fast_forward(NEXT)
    expect(notice).to_be_visible()
    page.context.set_offline(False)
    page.clock.fast_forward(NEXT)
    expect(notice).to_be_hidden()
