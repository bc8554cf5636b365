"""The SQLite database is copied once a day, consistently, and a failure leaves the earlier copies as they are."""

import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from desktops.lifecycle import database_backups, database_copies
from desktops.lifecycle.database_copies import DailyCopies

pytestmark = pytest.mark.skipif(os.environ.get("DATABASE_URL", "").startswith("postgres"), reason="SQLite only")
HOUR = 3600


@pytest.fixture
def source(tmp_path) -> Path:
    """Return a database in use: its last rows are still in the log beside it."""
    path = tmp_path / "podesk.sqlite3"
    with closing(sqlite3.connect(path)) as database:
        database.executescript("PRAGMA journal_mode=WAL; CREATE TABLE work (text TEXT)")
        database.executemany("INSERT INTO work VALUES (?)", [(f"row {number} " * 100,) for number in range(200)])
        database.commit()
    return path


@pytest.fixture
def folder(tmp_path, source, settings, monkeypatch) -> Path:
    """Use this database and a folder of its own, with room on the disk."""
    settings.DATA_DIR, settings.DATABASE_COPIES = tmp_path, 2
    monkeypatch.setattr(database_copies, "database", lambda: source)
    monkeypatch.setattr(database_copies, "SPARE", 0)
    return tmp_path / "backups"


def rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT count(*) FROM work").fetchone()[0]


def put(folder: Path, name: str, age: float) -> Path:
    """Leave a copy that was made `age` seconds ago."""
    folder.mkdir(exist_ok=True)
    path = folder / f"podesk-{name}.sqlite3"
    path.write_text("earlier")
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_copy_is_consistent_while_others_write_and_private(folder, source):
    with closing(sqlite3.connect(source)) as other:
        other.execute("INSERT INTO work VALUES ('committed')")
        other.commit()
        other.execute("INSERT INTO work VALUES ('not committed')")
        made = database_copies.make_copy(source, folder)
    assert rows(made) == 201
    assert [made.stat().st_mode & 0o777, folder.stat().st_mode & 0o777] == [0o600, 0o700]
    assert list(folder.iterdir()) == [made]


def test_newest_copies_are_kept_and_other_files_too(folder):
    future, oldest, old = put(folder, "future", -99 * HOUR), put(folder, "a", 72 * HOUR), put(folder, "b", 48 * HOUR)
    (folder / "notes.txt").write_text("mine")
    DailyCopies().run()
    (made,) = set(folder.iterdir()) - {old, folder / "notes.txt"}
    assert rows(made) == 200
    assert not future.exists()
    assert not oldest.exists()


def test_damaged_database_is_not_copied_and_earlier_copies_stay(folder, source):
    earlier, other = put(folder, "a", 48 * HOUR), put(folder, "b", 25 * HOUR)
    content = bytearray(source.read_bytes())
    content[8 * 4096 : 8 * 4096 + 64] = b"\xff" * 64
    source.write_bytes(content)
    daily = DailyCopies()
    daily.run()
    assert daily.failed
    assert set(folder.iterdir()) == {earlier, other}


@contextmanager
def small_disk(where: Path) -> Iterator[None]:
    where.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", where], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", where], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
@pytest.mark.parametrize("spare", [-(1024**3), 0], ids=["found while copying", "found before"])
def test_full_disk_leaves_the_earlier_copies(folder, monkeypatch, spare):
    monkeypatch.setattr(database_copies, "SPARE", spare)
    with small_disk(folder):
        earlier = put(folder, "a", 25 * HOUR)
        daily = DailyCopies()
        daily.run()
        assert daily.failed
        assert list(folder.iterdir()) == [earlier]


def test_what_a_killed_process_left_is_removed(folder, source):
    folder.mkdir()
    (folder / "unfinished").write_text("half")
    made = database_copies.make_copy(source, folder)
    assert list(folder.iterdir()) == [made]


def started(daily: DailyCopies) -> bool:
    daily.start_if_due()
    thread = daily._thread
    if thread:
        thread.join()
    daily._thread = None
    return thread is not None


def test_copy_is_due_a_day_after_the_last_one_also_after_a_restart(folder):
    assert started(DailyCopies())
    assert not started(DailyCopies())
    (made,) = folder.iterdir()
    os.utime(made, (time.time() - 25 * HOUR,) * 2)
    assert started(DailyCopies())
    assert not started(DailyCopies())


def test_clock_that_was_wrong_does_not_prevent_copies(folder):
    put(folder, "future", -9999 * HOUR)
    assert started(DailyCopies())
    assert not started(DailyCopies())


def test_after_a_failure_it_waits(folder, source):
    source.rename(source.with_suffix(".gone"))
    daily = DailyCopies()
    assert started(daily)
    assert daily.failed
    assert not started(daily)
    source.with_suffix(".gone").rename(source)
    daily._tried_at -= database_copies.RETRY
    assert started(daily)
    assert not daily.failed


def test_none_with_the_number_zero(db, folder, settings):
    settings.DATABASE_COPIES = 0
    assert not started(DailyCopies())
    assert database_backups.samples() == {name: {} for name in database_backups.FAMILIES}


def test_metrics_show_the_last_success_and_a_failure(db, folder, monkeypatch):
    daily = DailyCopies()
    monkeypatch.setattr(database_copies, "daily", daily)
    times, failed, sizes = database_backups.FAMILIES
    assert database_backups.samples() == {name: {("daily_copy",): 0} for name in (times, failed, sizes)}
    daily.run()
    assert database_backups.samples()[times]["daily_copy",] == pytest.approx(time.time(), abs=60)
    assert database_backups.samples()[sizes]["daily_copy",] > 0
    folder.chmod(0o700)
    database_copies.database().write_text("not a database at all" * 99)
    daily.run()
    assert database_backups.samples()[failed] == {("daily_copy",): 1}
