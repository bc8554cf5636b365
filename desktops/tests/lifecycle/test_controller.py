"""Of two controllers one leads, also during a slow comparison. When it dies, the other takes over."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings
from django.db import connection

from core import locks
from core.redis import client, key
from desktops.lifecycle import controller, jobs
from desktops.lifecycle.controller import Controller
from desktops.models import Desktop, Status
from desktops.runtimes import names
from desktops.runtimes.base import Phase

LEASE = ("controller", "lease")


def database_url() -> str:
    """Return the URL of the tests' own database, for another process."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}"))


class Pair:
    """Two real controllers on one database and one Redis."""

    def __init__(self, folder: Path) -> None:
        self.logs = [folder / "first.log", folder / "second.log"]
        self.processes = [self._start(log) for log in self.logs]

    def _start(self, log: Path) -> "subprocess.Popen[bytes]":
        with log.open("wb") as sink:
            return subprocess.Popen(
                [sys.executable, "manage.py", "run_controller"],
                cwd=settings.BASE_DIR,
                env=os.environ | {"DATABASE_URL": database_url(), "LOG_LEVEL": "INFO", "RELIST_SECONDS": "2"},
                stdout=sink,
                stderr=sink,
            )

    def leaders(self) -> list[int]:
        return [number for number, log in enumerate(self.logs) if b"became_leader" in log.read_bytes()]

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture
def pair(tmp_path, transactional_db, first_rows) -> Iterator[Pair]:
    made = Pair(tmp_path)
    yield made
    made.close()


@pytest.fixture
def run(make_desktop, alice, runtime) -> Callable[[str], Desktop]:
    """Return a function that starts a real desktop and does not wait for it."""

    def start(name: str) -> Desktop:
        desktop: Desktop = make_desktop(
            alice, name=name, status=Status.PENDING, object_name=names.desktop_name("alice", name * 32)
        )
        jobs.start_desktop(str(desktop.pk))
        return desktop

    return start


def test_a_killed_leader_is_replaced_in_seconds_and_each_move_happens_once(pair, run, wait_for):
    wait_for(pair.leaders, 60)
    first, second = run("a"), run("b")
    wait_for(lambda: Desktop.objects.filter(status=Status.RUNNING).count() == 2, 60)
    [leader] = pair.leaders()
    pair.processes[leader].kill()
    killed_at = time.monotonic()
    Desktop.objects.get(pk=first.pk).move(to=Status.STOPPING)
    jobs.stop_desktop(str(first.pk))
    third = run("c")
    wait_for(lambda: Desktop.objects.get(pk=first.pk).status == Status.STOPPED, 30)
    assert time.monotonic() - killed_at < 15
    wait_for(lambda: Desktop.objects.get(pk=third.pk).status == Status.RUNNING, 30)
    assert pair.leaders() == [0, 1]
    for desktop, kind in ((first, "running"), (first, "stopped"), (second, "running"), (third, "running")):
        assert desktop.events.filter(kind=kind).count() == 1


@pytest.fixture
def leading(scripted_runtime, monkeypatch, settings, controlled) -> Controller:
    """Return a running controller with a short lease."""
    settings.RELIST_SECONDS = 1
    return controlled.controller


def test_next_comparison_finds_what_the_watch_missed(
    scripted_runtime, settings, controlled, make_desktop, alice, wait_for
):
    settings.RELIST_SECONDS = 2
    desktop = make_desktop(alice, status=Status.STARTING)
    wait_for(lambda: scripted_runtime.list_count() > 1)
    scripted_runtime.watch_misses_changes = True
    missed = scripted_runtime.list_count()
    scripted_runtime.sees(desktop, Phase.READY)
    wait_for(lambda: status(desktop) == Status.RUNNING)
    assert scripted_runtime.list_count() <= missed + 1  # a comparison that had already begun may have seen it
    assert ("observe", desktop.object_name) not in scripted_runtime.calls


def test_watch_events_apply_before_the_next_comparison(
    scripted_runtime, settings, controlled, make_desktop, alice, wait_for
):
    settings.RELIST_SECONDS = 1000
    desktop = make_desktop(alice, status=Status.STARTING)
    wait_for(lambda: scripted_runtime.list_count() == 1)
    scripted_runtime.sees(desktop, Phase.READY)
    wait_for(lambda: status(desktop) == Status.RUNNING)
    assert scripted_runtime.list_count() == 1


def status(desktop: Desktop) -> str:
    desktop.refresh_from_db()
    return desktop.status


def is_free() -> bool:
    held = locks.acquire_lock(key(*LEASE), lease=1)
    if held:
        held.release()
    return held is not None


def test_long_comparison_keeps_the_lease(scripted_runtime, leading, wait_for):
    scripted_runtime.pause = 3.0
    wait_for(lambda: scripted_runtime.listing)
    for _ in range(10):
        assert not is_free()
        time.sleep(0.2)
    assert scripted_runtime.listing  # the same call is still running


def test_hanging_leader_is_replaced(scripted_runtime, leading, wait_for, monkeypatch):
    """The controller hangs as on a database connection whose other end has gone."""
    monkeypatch.setattr(controller, "STUCK", 1.0)
    wait_for(lambda: scripted_runtime.calls)
    scripted_runtime.pause = 6.0
    wait_for(is_free, 5)
    assert scripted_runtime.listing


def test_a_redis_that_comes_back_empty_leaves_one_leader(scripted_runtime, leading, wait_for):
    wait_for(lambda: not is_free())
    client().flushdb()
    other = locks.acquire_lock(key(*LEASE), lease=30)
    wait_for(lambda: leading._lease is None)
    time.sleep(1)
    assert leading._lease is None
    other.release()
    wait_for(lambda: leading._lease)
