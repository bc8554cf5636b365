"""Read how much of its home folder a desktop uses, as its session prints it (session/home-usage). Plain Python.

The session belongs to the desktop's owner, so the numbers are the owner's claim.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

_LINE = re.compile(r"podesk-home-usage: ([0-9]{1,11}) (?:([0-9]{1,15}) ([0-9]{1,15})|unfinished)$", re.MULTILINE)
_WHOLE_LINES = re.compile(r"^podesk-home-usage: [\w ]*\n?", re.MULTILINE)
LOG_LINES = 1000  # lines of the log in which a measurement is searched for


@dataclass(frozen=True)
class HomeUsage:
    """One measurement of a home folder. `used_bytes` is None if it took too long and was ended."""

    measured_at: datetime
    used_bytes: int | None
    usable_bytes: int | None  # what the file system of the folder can hold; a shared one can hold more than this folder


def last_measurement(log: str) -> HomeUsage | None:
    """Return the last measurement in a session's log, or None if there is none."""
    found = max(_LINE.finditer(log), key=re.Match.start, default=None)
    if found is None:
        return None
    at = datetime.fromtimestamp(int(found[1]), UTC)
    return HomeUsage(at, int(found[2]) if found[2] else None, int(found[3]) if found[3] else None)


def without_measurements(log: str) -> str:
    """Return a log for people."""
    return _WHOLE_LINES.sub("", log)
