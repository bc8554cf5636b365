"""Fixtures with a running Podesk and a desktop in it."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.support.own_network import enter_own_network
from tests.support.page_client import Visitor
from tests.support.running_podesk import Portal, running, wait_for
from tests.support.viewer_page import Screen


@pytest.fixture(scope="session", autouse=True)
def own_network() -> None:
    """Come first, before Chromium and the portal start. Only root can: everybody else shares the machine's network."""
    if os.geteuid() == 0:
        enter_own_network()


@pytest.fixture(scope="session")
def portal() -> Iterator[Portal]:
    with tempfile.TemporaryDirectory(prefix="podesk-e2e-", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o755)  # the account that runs desktops must be able to enter it
        with running(Path(made) / "data", BACKUP_REPOSITORY=f"{made}/backups") as started:
            yield started


@pytest.fixture(scope="session")
def person(portal) -> Visitor:
    """Return the same user on another device."""
    visitor = Visitor(portal.url)
    visitor.sign_in("admin", portal.password)
    return visitor


@pytest.fixture
def desktop(person, portal) -> str:
    """Return the id of a running desktop. The first test makes it; it is restarted where a test stopped it."""

    def rows() -> list[tuple[Any, ...]]:
        return portal.query("SELECT id, status FROM desktops_desktop")

    if not rows():
        person.launch()
    wait_for(lambda: rows()[0][1] in ("running", "stopped", "failed"))
    identity = str(UUID(str(rows()[0][0])))
    if rows()[0][1] != "running":
        person.act(identity, "start")
        wait_for(lambda: rows()[0][1] == "running")
    return identity


def sign_in(page: Page, portal: Portal) -> Page:
    page.goto("/accounts/login/")
    page.fill("[name=username]", "admin")
    page.fill("[name=password]", portal.password)
    page.press("[name=password]", "Enter")
    page.wait_for_url(lambda url: "/login/" not in url)
    return page


@pytest.fixture
def device(chromium, portal) -> Iterator[Callable[..., BrowserContext]]:
    """Return a function that makes a signed-in browser profile. It takes the options of Playwright's new_context."""
    made: list[BrowserContext] = []

    def make(**options: Any) -> BrowserContext:
        context = chromium.new_context(**{"base_url": portal.url, "viewport": {"width": 1440, "height": 900}} | options)
        made.append(context)
        sign_in(context.new_page(), portal).close()
        return context

    yield make
    for context in made:
        for page in context.pages:
            page.unroute_all(behavior="wait")  # an answer that a test intercepts may still be on its way
        context.close()


@pytest.fixture
def screen(device, desktop, portal) -> Iterator[Callable[..., Screen]]:
    """Return a function that opens the viewer in its own window and waits for the picture."""
    opened: list[Screen] = []

    def open_viewer(*, permissions: tuple[str, ...] = ("clipboard-read", "clipboard-write"), **options: Any) -> Screen:
        context = device(**options)
        context.grant_permissions(list(permissions))
        opened.append(Screen(context.new_page(), desktop, portal))
        return opened[-1].open()

    yield open_viewer
    for each in opened:
        each.tidy()
