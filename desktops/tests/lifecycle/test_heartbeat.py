"""The file for the probe is touched in each cycle, also while Redis is unavailable."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from core.redis import client, key
from tests.support.environment import redis_refuses_writes, redis_unavailable
from tests.support.running_podesk import wait_for

pytestmark = pytest.mark.once

COMMANDS = {"worker": ["rqworker", "desktops"], "controller": ["run_controller"]}


def at_work(name: str) -> bool:
    """Return whether the process has started. If it loses Redis before, it ends and has to be restarted."""
    if name == "controller":
        return bool(client().exists(key("controller", "heartbeat")))
    return any(client().hget(each, "state") == "idle" for each in client().smembers("rq:workers"))


@pytest.fixture(params=COMMANDS)
def alive(request, tmp_path, transactional_db) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Return the process and its file."""
    file = tmp_path / "alive"
    environment = os.environ | {"ALIVE_FILE": str(file), "DATA_DIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "manage.py", *COMMANDS[request.param]],
        cwd=settings.BASE_DIR,
        env=environment | {"DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: file.exists() and at_work(request.param), 60)
        yield process, file
    finally:
        process.kill()
        process.wait()


def again(file: Path) -> None:
    before = file.stat().st_mtime_ns
    wait_for(lambda: file.stat().st_mtime_ns > before, 90)


def test_it_waits_while_redis_refuses_writes_and_goes_on(alive):
    process, file = alive
    for why in ("memory_full", "save_failed", "read_only"):  # one process for all, because a start takes 1.4 s of CPU
        with redis_refuses_writes(why):
            again(file)
            again(file)
        assert process.poll() is None, why
        client().flushdb()  # delete all earlier heartbeats
        wait_for(is_known, 30)


def is_known() -> bool:
    """Return whether the process has sent a heartbeat since Redis was emptied."""
    return bool(client().exists(key("controller", "heartbeat")) or client().exists("rq:workers:desktops"))


def test_alive_file_is_written_while_redis_is_unavailable_and_an_empty_redis_knows_it_again(alive):
    process, file = alive
    with redis_unavailable():
        again(file)
        again(file)
    wait_for(is_known, 60)
    assert process.poll() is None
