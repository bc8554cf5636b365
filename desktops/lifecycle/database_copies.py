"""Copy the SQLite database once a day, and keep some of the copies.

The leading controller does it, in a thread: a worker could start no desktop meanwhile. With PostgreSQL nothing happens
here; on a cluster the part `backup` saves it. Nothing is recorded in the database: the files themselves show when the
last copy succeeded, also after a restart.
"""

import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from threading import Thread

import structlog
from django.conf import settings
from django.db import connection

log = structlog.get_logger("podesk.database_copies")
EVERY = 24 * 3600.0  # seconds between two copies, by the wall clock, so that a machine that slept copies when it wakes
RETRY = 3600.0  # seconds after a failure
SPARE = 256 * 1024**2  # bytes that a copy leaves free: a full disk would stop the database itself
_PATTERN = "podesk-*.sqlite3"
_UNFINISHED = "unfinished"


class CopyFailed(Exception):
    """There is no new copy, and the earlier ones are as before."""


class DailyCopies:
    """Starts a copy if one is due, and knows whether the last one failed. Used by the leading controller."""

    def __init__(self) -> None:
        self.failed = False
        self._thread: Thread | None = None
        self._tried_at = float("-inf")  # time.monotonic()

    def start_if_due(self) -> None:
        """Start a copy in a thread if one is due. After a failure wait an hour."""
        if not is_enabled() or (self._thread and self._thread.is_alive()):
            return
        if time.time() - last_success() < EVERY or (self.failed and time.monotonic() - self._tried_at < RETRY):
            return
        self._tried_at = time.monotonic()
        self._thread = Thread(target=self.run, name="database copy", daemon=True)
        self._thread.start()

    def run(self) -> None:
        """Make a copy and remove old ones. A failure is logged."""
        began = time.monotonic()
        try:
            made = make_copy(database(), folder())
            _remove_old(made)
        except (CopyFailed, sqlite3.Error, OSError) as error:
            self.failed = True
            log.warning("database_copy_failed", error=str(error), folder=str(folder()))
            return
        self.failed = False
        log.info("database_copied", file=str(made), seconds=round(time.monotonic() - began, 2))


daily = DailyCopies()


def is_enabled() -> bool:
    return bool(settings.DATABASE_COPIES) and connection.vendor == "sqlite"


def folder() -> Path:
    return Path(settings.DATA_DIR) / "backups"


def database() -> Path:
    return Path(settings.DATABASES["default"]["NAME"])


def copies() -> list[Path]:
    """Return the copies, the newest first. Files from the future, left by a wrong clock, are the last ones."""
    now = time.time()
    times = {path: path.stat().st_mtime for path in folder().glob(_PATTERN)}
    return sorted(times, key=lambda path: times[path] if times[path] <= now else 0, reverse=True)


def last_success() -> float:
    """Return the time of the last copy in Unix seconds; 0 if there is none."""
    times = [path.stat().st_mtime for path in copies()[:1]]
    return times[0] if times and times[0] <= time.time() else 0.0


def last_size() -> int:
    """Return the bytes of the newest copy; 0 if there is none."""
    return sum(path.stat().st_size for path in copies()[:1])


def make_copy(source: Path, into: Path) -> Path:
    """Copy the database with SQLite's own method, which is consistent while others write.

    The copy gets its name only when it is complete and checked. Raises CopyFailed, sqlite3.Error, OSError.
    """
    into.mkdir(mode=0o700, exist_ok=True)
    unfinished = into / _UNFINISHED
    unfinished.unlink(missing_ok=True)  # left by a killed process
    _refuse_without_room(source, into)
    os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL, 0o600))
    try:
        _copy(source, unfinished)
        _write_through(unfinished)
        made = into / f"podesk-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}.sqlite3"
        unfinished.rename(made)
        _write_through(into)
    finally:
        unfinished.unlink(missing_ok=True)
    return made


def _copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source, timeout=20)) as live, closing(sqlite3.connect(target)) as copy:
        live.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file is enough to restore it
        if (answer := copy.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
            raise CopyFailed(f"the database is damaged: {answer[:200]}")


def _refuse_without_room(source: Path, into: Path) -> None:
    free, needed = shutil.disk_usage(into).free, source.stat().st_size + SPARE
    if free < needed:
        raise CopyFailed(f"the disk has {free // 1024**2} MiB left; {needed // 1024**2} MiB are needed")


def _remove_old(made: Path) -> None:
    for path in copies()[settings.DATABASE_COPIES :]:
        if path != made:
            path.unlink()


def _write_through(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
