"""Output for the person at the terminal: numbered steps, progress, and one sentence for a failure."""

import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_INDENT = " " * 6
# A line of Podesk (LOG_FORMAT console or json) or of Redis that reports normal work.
_ORDINARY = re.compile(r'\[(info|debug) *\]|"level": "(info|debug)"|^\s*\d+:[CMS] .* [.*-] ')


class Failure(Exception):
    """Ends the command. The text states what went wrong and what to do."""


def say(text: str, end: str = "\n") -> None:
    with suppress(OSError):  # the terminal may be closed, but we must still stop our processes
        print(text, end=end, flush=True)


def tail(path: Path, lines: int = 15, since: int = 0) -> str:
    """Return the last lines of a log file from the byte `since` on, indented; empty if the file does not exist."""
    try:
        with path.open("rb") as log:
            size = path.stat().st_size
            log.seek(max(since if since <= size else 0, size - 200 * lines))  # a large log may have been truncated
            text = log.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(_INDENT + line for line in text.splitlines()[-lines:])


def explains(lines: str) -> bool:
    """Return whether lines of a log contain more than normal work: a warning, an error, a traceback."""
    return any(line.strip() and not _ORDINARY.search(line) for line in lines.splitlines())


class Progress:
    """Shows numbered steps on standard output, and progress during long ones."""

    def __init__(self, total: int) -> None:
        self._total, self._number = total, 0
        self._began = self._shown = time.monotonic()
        self._terminal = sys.stdout.isatty()
        self._every = 1.0 if self._terminal else 5.0  # seconds between progress lines; a terminal overwrites the last

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        self._number += 1
        self._began = self._shown = time.monotonic()
        say(f"[{self._number}/{self._total}] {title} ...")
        yield
        if (seconds := time.monotonic() - self._began) >= 1:
            self._line(f"done in {seconds:.0f} s", last=True)

    def note(self, text: str) -> None:
        self._line(text, last=True)

    def show(self, doing: str) -> None:
        """Show progress: at most one line per second on a terminal, and one in five seconds elsewhere."""
        now = time.monotonic()
        if now - self._shown >= self._every:
            self._shown = now
            self._line(f"{now - self._began:.0f} s  {doing[:90]}", last=not self._terminal)

    def _line(self, text: str, *, last: bool) -> None:
        clean = "\r\x1b[K" if self._terminal else ""
        say(f"{clean}{_INDENT}{text}", end="\n" if last else "")
