"""Pytest plugin: fail the run if a secret was logged.

It checks the log of the tests' own process, formatted as in production, and the logs of portals and servers that tests
start (`read`). Secrets are session tokens, private keys, all values that are encrypted for the database, passwords of
accounts, and values that a test names with `keep_out`.
"""

import logging
import os
import re
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

SHAPES = {
    "a session token": re.compile(r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{16,}"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
}
_WORD = re.compile(r"[A-Za-z0-9_-]+")
_SHORTEST = 8  # characters; a shorter password could be an ordinary word
_LONGEST = 200  # a longer encrypted value is no password, but an answer that contains one
_LEAKS = "leaks"  # key in xdist's workeroutput

_texts: dict[str, set[str]] = {}  # where -> lines
_secrets: set[str] = set()
_leaks: list[str] = []


def keep_out(secret: str) -> None:
    """Fail the run if this secret is in any log, earlier or later."""
    if _SHORTEST <= len(secret) <= _LONGEST:
        _secrets.add(secret)


def hear(where: str, text: str) -> None:
    """Check the log of a process that a test started."""
    _texts.setdefault(f"{_test()}, {where}", set()).update(text.splitlines())


def read(*logs: Path) -> None:
    """Check log files. Call it before their folder is deleted."""
    for log in logs:
        if log.is_file():
            hear(log.name, log.read_text(errors="replace"))


class _Listener(logging.Handler):
    """Formats as in production. It never raises, so that it does not make a test fail."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
        except Exception:
            self.handleError(record)
        else:
            _texts.setdefault(_test(), set()).add(text)


_listener = _Listener(logging.DEBUG)


def _test() -> str:
    return os.environ.get("PYTEST_CURRENT_TEST", "the run").partition(" (")[0]


def pytest_configure(config: pytest.Config) -> None:
    from django.contrib.auth import base_user, models

    from core import encryption

    encryption.encrypt = _noting(encryption.encrypt)
    base_user.make_password = models.make_password = _noting(base_user.make_password)
    _listen()


def _noting(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with its first argument registered as a secret."""

    @wraps(function)
    def noted(secret: Any, *args: Any, **options: Any) -> Any:
        if isinstance(secret, str):
            keep_out(secret)
        return function(secret, *args, **options)

    return noted


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    _listen()  # a new logging configuration removes the handler


def _listen() -> None:
    root = logging.getLogger()
    if _listener not in root.handlers:
        from portal import logs

        formatter = logs.configuration("json", "INFO")["formatters"]["structured"]
        _listener.setFormatter(formatter["()"](**{k: v for k, v in formatter.items() if k != "()"}))
        root.addHandler(_listener)


def found() -> list[str]:
    """Return one line per place and kind of secret, without the secret itself."""
    return [f"{where}: {what}" for where in sorted(_texts) for what in _in("\n".join(_texts[where]))]


def _in(text: str) -> list[str]:
    shapes = [name for name, shape in SHAPES.items() if shape.search(text)]
    words = {secret for secret in _secrets if _WORD.fullmatch(secret)}
    leaked = words & set(_WORD.findall(text)) or any(secret in text for secret in _secrets - words)
    return shapes + ["a password"] * bool(leaked)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    _leaks.extend(found())
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[_LEAKS] = _leaks  # the main process fails the run
    elif _leaks and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    _leaks.extend(getattr(node, "workeroutput", {}).get(_LEAKS, []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _leaks:
        terminalreporter.section("secrets in logs", red=True, bold=True)
        for leak in _leaks:
            terminalreporter.line(f"FAILED {leak} was logged")
