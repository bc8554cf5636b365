"""Fixtures for the tests of desktops: the real queue, the real broadcast, and a Redis that fails."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import django_rq
import pytest
from django.conf import settings
from redis import RedisError

from accounts.disconnects import Disconnect, channel
from core.redis import client, key
from desktops.lifecycle import controller
from desktops.models import Desktop
from desktops.runtimes import get_runtime
from desktops.runtimes.base import Deadline, Runtime
from desktops.tests.support.scripted_runtime import ControllerUnderTest, ScriptedRuntime
from tests.support import environment


@pytest.fixture
def queued():
    """Return a function that lists the jobs in the queue in order, as (function, id)."""

    def look() -> list[tuple[str, str]]:
        return [(job.func_name.rsplit(".", 1)[1], job.args[0]) for job in django_rq.get_queue("desktops").jobs]

    return look


@pytest.fixture
def put_off():
    """Return a function that returns the postponed jobs: (function, id) with the seconds until each is due."""

    def look() -> dict[tuple[str, str], float]:
        orders = client().zrange(key("later"), 0, -1, withscores=True)
        parts = [(*order.split(), at - time.time()) for order, at in orders]
        return {(work.rsplit(".", 1)[1], argument): seconds for work, argument, seconds in parts}

    return look


@pytest.fixture
def disconnects():
    """Return a function that returns the disconnect messages since the fixture was made."""
    listener = client().pubsub(ignore_subscribe_messages=True)
    listener.subscribe(channel())
    listener.get_message(timeout=1)

    def heard() -> list[Disconnect]:
        found = []
        while message := listener.get_message(timeout=0.2):
            found.append(Disconnect.from_message(message["data"]))
        return found

    yield heard
    listener.close()


@pytest.fixture
def redis_unavailable():
    """Return a context in which the real Redis is dead. Afterwards it is empty."""
    return environment.redis_unavailable


@pytest.fixture
def redis_hangs():
    """Return a context in which the real Redis does not answer."""

    @contextmanager
    def hangs() -> Iterator[None]:
        with environment.redis_hangs():
            yield
        wait_until_answered()

    return hangs


def wait_until_answered() -> None:
    """Wait until the portal's own client gets answers again: it pauses after a timeout."""
    for _ in range(100):
        with suppress(RedisError):
            client().ping()
            return
        time.sleep(0.1)
    raise AssertionError("Redis did not answer")


@pytest.fixture(scope="session")
def desktop_account() -> None:
    """Create the account that runs desktops when root runs the tests, as `./podesk run` does."""
    if os.geteuid() == 0:
        subprocess.run(["useradd", "--system", "--no-create-home", settings.LOCAL_DESKTOP_USER], check=False)


@pytest.fixture
def runtime(desktop_account, db) -> Iterator[Runtime]:
    """Return the runtime of the settings. Everything that still runs in it afterwards is ended."""
    yield get_runtime()
    end = time.monotonic() + 15
    while (left := get_runtime().list()) and time.monotonic() < end:
        for observed in left:
            get_runtime().stop(observed.name, deadline=Deadline.after(10))
        time.sleep(0.1)
    assert not left


@pytest.fixture
def long_watched() -> None:
    """Pretend that a controller has watched all desktops for hours, so that no timer is paused."""
    client().set(key("runtime", "answers-since"), "0")


@pytest.fixture
def scripted_runtime(monkeypatch, db) -> Iterator[ScriptedRuntime]:
    """Use a runtime that reports what the test sets."""
    runtime = ScriptedRuntime()
    monkeypatch.setattr("desktops.runtimes.local.local_runtime.LocalRuntime", lambda *_, **__: runtime)
    get_runtime.cache_clear()
    yield runtime
    get_runtime.cache_clear()


@pytest.fixture
def controlled(scripted_runtime, monkeypatch, transactional_db, first_rows) -> Iterator[ControllerUnderTest]:
    """Return a running controller with a short lease, on a runtime that reports what the test sets."""
    monkeypatch.setattr(controller, "LEASE_SECONDS", 0.6)
    made = ControllerUnderTest()
    yield made
    made.stop()


def _state() -> str:
    """Describe what a test may have waited for, to explain a failure that happens only under load."""
    try:
        return _queue_and_rows()
    except Exception as error:  # a test may have stopped Redis, or use no database
        return f"state unknown: {error}"


def _queue_and_rows() -> str:
    jobs = [(job.func_name, job.args, str(job.enqueued_at)) for job in django_rq.get_queue("desktops").jobs]
    rows = list(Desktop.objects.values_list("pk", "status", "reason"))
    beats = {name: client().get(key(*name)) for name in (("controller", "heartbeat"), ("runtime", "answers-since"))}
    return f"queue {jobs}, rows {rows}, heartbeats {beats}"


@pytest.fixture
def wait_for():
    """Return a function that repeats a call until its result is true, and returns that. It fails after `seconds`."""

    def wait(ask: Callable[[], Any], seconds: float = 60) -> Any:
        end = time.monotonic() + seconds
        while not (answer := ask()):
            assert time.monotonic() < end, f"waited {seconds} s in vain; {_state()}"
            time.sleep(0.05)
        return answer

    return wait
