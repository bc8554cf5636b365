"""A real Chromium: one for all tests of a run, for a process can hold but one Playwright."""

from collections.abc import Callable, Iterator
from functools import partial

import pytest
from playwright.sync_api import Browser, sync_playwright

QUIET = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests counted or measured: `record_property("figure", …)`, from whichever process."""
    for report in terminalreporter.getreports("passed"):
        for name, said in report.user_properties:
            if name == "figure" and report.when == "call":
                terminalreporter.line(said)


@pytest.fixture(scope="session")
def launch_chromium() -> Iterator[Callable[..., Browser]]:
    """Options as Playwright's launch."""
    with sync_playwright() as playwright:
        yield partial(playwright.chromium.launch, executable_path="/usr/bin/chromium", args=QUIET)


@pytest.fixture(scope="session")
def chromium(launch_chromium) -> Iterator[Browser]:
    browser = launch_chromium()
    yield browser
    browser.close()
