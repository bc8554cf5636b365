"""A restart of Redis is an outage in the worker's log, not an error with a traceback."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from core.redis import client


@pytest.fixture
def worker(tmp_path, transactional_db) -> Iterator[tuple["subprocess.Popen[bytes]", Path]]:
    """Start a real worker. Return it with its log."""
    log = tmp_path / "worker.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "rqworker", "desktops"],
            cwd=settings.BASE_DIR,
            env=os.environ | {"LOG_LEVEL": "INFO"},
            stdout=sink,
            stderr=sink,
        )
    yield process, log
    process.kill()
    process.wait()


def registered() -> int:
    return client().scard("rq:workers")


def test_redis_that_restarts_leaves_no_traceback_in_the_workers_log(worker, redis_unavailable, wait_for):
    """RQ's thread that listens for commands ends with a traceback if Redis answers its new connection too late."""
    process, log = worker
    wait_for(lambda: b"Listening on" in log.read_bytes() and registered())
    assert client().pubsub_channels("rq:*") == []
    with redis_unavailable():
        wait_for(lambda: b"redis_unavailable" in log.read_bytes())
    wait_for(registered)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert b"Traceback" not in log.read_bytes(), log.read_text()
    assert client().pubsub_channels("rq:*") == []
