"""Fixtures with a real Chromium: one per test run, because a process can run only one Playwright."""

from collections.abc import Callable, Iterator
from functools import partial

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

QUIET = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]

# Longer than the five seconds of Playwright, because a busy machine is slow and a test that passes does not wait.
expect.set_options(timeout=30_000)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests measured with `record_property("figure", …)`, in any process."""
    for report in terminalreporter.getreports("passed"):
        for name, said in report.user_properties:
            if name == "figure" and report.when == "call":
                terminalreporter.line(said)


@pytest.fixture(scope="session")
def launch_chromium() -> Iterator[Callable[..., Browser]]:
    """Return a function that starts Chromium. It takes the options of Playwright's launch."""
    with sync_playwright() as playwright:
        yield partial(playwright.chromium.launch, executable_path="/usr/bin/chromium", args=QUIET)


@pytest.fixture(scope="session")
def chromium(launch_chromium) -> Iterator[Browser]:
    browser = launch_chromium()
    yield browser
    browser.close()
