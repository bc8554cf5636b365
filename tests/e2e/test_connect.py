"""Direct access in a real browser: the card with the password, and the page of SSH keys."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import pytest
from playwright.sync_api import Page, expect

from podesk_cli.folders import CHECKOUT
from tests.support.nginx import novnc
from tests.support.page_client import Visitor
from tests.support.running_podesk import Portal, free_port, running, wait_for

pytestmark = pytest.mark.browser
STATUS, RUN, SCREEN = (f"SELECT {column} FROM desktops_desktop" for column in ("status", "run", "endpoint_address"))
AXE = Path(CHECKOUT / "node_modules/axe-core/axe.min.js")


@pytest.fixture(scope="module")
def exposed() -> Iterator[Portal]:
    """Yield a portal with one running desktop."""
    with tempfile.TemporaryDirectory(prefix="podesk-connect-", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o755)  # the account that runs desktops must be able to enter it
        with running(Path(made) / "data", DESKTOP_EXPOSURE="ingress") as portal:
            person = Visitor(portal.url)
            person.sign_in("admin", portal.password)
            person.launch()
            wait_for(lambda: portal.query("SELECT status FROM desktops_desktop")[0][0] == "running")
            yield portal


@pytest.fixture
def page(chromium, exposed) -> Iterator[Page]:
    context = chromium.new_context(base_url=exposed.url, viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    opened.goto("/accounts/login/")
    opened.fill("[name=username]", "admin")
    opened.fill("[name=password]", exposed.password)
    opened.press("[name=password]", "Enter")
    opened.wait_for_url("**/desktops/*/")
    yield opened
    context.close()


def focused(page: Page) -> str:
    return page.evaluate("document.activeElement.id")


def serious(page: Page) -> list[str]:
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run({iframes: false}).then((found) => found.violations)")
    return [f"{one['id']}: {one['nodes'][0]['target']}" for one in found if one["impact"] in ("serious", "critical")]


def test_the_password_by_keyboard_alone(page):
    password = page.locator("#vnc-password")
    page.focus("#password-button")
    expect(password).to_have_count(0)
    page.keyboard.press("Enter")
    expect(password).to_have_text(re.compile(r"^\S{8}$"))
    assert focused(page) == "password-button"
    assert serious(page) == []
    page.keyboard.press("Enter")
    expect(password).to_have_count(0)
    assert focused(page) == "password-button"


def test_the_password_stays_while_the_panel_is_redrawn(page):
    page.click("#password-button")
    shown = page.locator("#vnc-password").inner_text()
    page.evaluate("document.getElementById('connect-title').mark = 'old'")
    # Change the next answer, so that the page has something to redraw.
    page.route("**/panel/", lambda route: route.fulfill(body=route.fetch().text().replace("</h1>", "!</h1>")))
    page.evaluate("htmx.trigger('#panel', 'refresh')")
    expect(page.locator("#desktop-title")).to_have_text("desktop!")
    assert page.evaluate("document.getElementById('connect-title').mark") is None  # the card was redrawn
    expect(page.locator("#vnc-password")).to_have_text(shown)


def test_the_password_is_copied_and_the_copy_is_announced(page):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("#password-button")
    shown = page.locator("#vnc-password").inner_text()
    page.click("[data-copy=vnc-password]")
    expect(page.locator("#announcer")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == shown


# --- the desktop's own noVNC page ---


@pytest.fixture
def web(tmp_path) -> Path:
    """Return noVNC as docker/Dockerfile.vnc installs it."""
    folder = tmp_path / "novnc"
    shutil.copytree(CHECKOUT / "docker/desktop/novnc", folder)
    shutil.copy(CHECKOUT / "static/js/viewer/keyboard.js", folder)
    for part in ("core", "vendor"):
        (folder / part).symlink_to(CHECKOUT / "node_modules/@novnc/novnc" / part)
    return folder


@pytest.fixture
def direct(page, web, exposed) -> Iterator[SimpleNamespace]:
    """Yield a connected window. `ended()` cuts its connection, and `back()` allows connections again."""
    page.click("#password-button")
    password = page.locator("#vnc-password").inner_text()
    port, opened = free_port(), ExitStack()

    def back() -> None:
        opened.enter_context(novnc(web, port=port, address=exposed.query(SCREEN)[0][0]))

    with opened:
        back()
        page.goto(f"http://127.0.0.1:{port}/vnc.html")
        expect(page.get_by_role("button")).to_be_enabled()  # noVNC awaits something, so its script may end after "load"
        page.fill("#password", password)
        page.keyboard.press("Enter")
        expect(page.locator("form")).to_be_hidden()
        yield SimpleNamespace(ended=opened.close, back=back, form=page.locator("form"), says=page.get_by_role("status"))


def test_its_page_connects_again_by_itself(page, direct):
    """The connection drops as when an ingress reloads or the network changes."""
    for _ in range(2):
        direct.ended()
        expect(direct.says).to_have_text("The connection was lost. Reconnecting…")
        direct.back()
        expect(direct.form).to_be_hidden()
        expect(page.locator("#screen canvas")).to_have_count(1)


def test_its_page_asks_for_the_password_of_a_desktop_that_was_started_again(page, direct, exposed):
    direct.ended()
    person = Visitor(exposed.url)
    person.sign_in("admin", exposed.password)
    run = exposed.query(RUN)
    person.act(str(UUID(str(exposed.query("SELECT id FROM desktops_desktop")[0][0]))), "restart")
    wait_for(lambda: exposed.query(RUN) != run and exposed.query(STATUS)[0][0] == "running")
    direct.back()
    expect(direct.says).to_have_text("The desktop was restarted and has a new password.")
    expect(direct.form).to_be_visible()


def test_its_page_does_not_go_on_with_a_wrong_password(page, direct):
    page.reload()
    page.fill("#password", "nonsense")
    page.keyboard.press("Enter")
    expect(direct.says).to_have_text("The password is incorrect.")


# --- keys ---


def test_a_key_is_added_and_removed_by_keyboard_alone(page, tmp_path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "laptop", "-f", tmp_path / "key"], check=True)
    page.goto("/accounts/ssh-keys/")
    assert serious(page) == []
    page.focus("[name=public_key]")
    page.keyboard.insert_text((tmp_path / "key.pub").read_text())
    for key in ("Tab", "Tab", "Enter"):  # skips the name, to the button
        page.keyboard.press(key)
    expect(page.locator(".lines li")).to_contain_text("laptop")
    assert serious(page) == []
    page.focus("[data-dialog]")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("Remove the key “laptop”?")
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")  # the focus has returned
    page.get_by_role("button", name="Remove key").press("Enter")
    expect(page.locator("main")).to_contain_text("You have not added any keys yet.")
