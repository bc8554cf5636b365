"""What the tests of desktops share: the real queue, the real broadcast, and a Redis that dies."""

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
from desktops.runtimes import get_runtime
from desktops.runtimes.base import Deadline, Runtime
from desktops.tests.support.scripted_runtime import ControllerUnderTest, ScriptedRuntime
from tests.support import environment


@pytest.fixture
def queued():
    """What waits in the queue: (function, id) in order."""

    def look() -> list[tuple[str, str]]:
        return [(job.func_name.rsplit(".", 1)[1], job.args[0]) for job in django_rq.get_queue("desktops").jobs]

    return look


@pytest.fixture
def put_off():
    """What was put off: (function, id) with the seconds until it is due."""

    def look() -> dict[tuple[str, str], float]:
        orders = client().zrange(key("later"), 0, -1, withscores=True)
        parts = [(*order.split(), at - time.time()) for order, at in orders]
        return {(work.rsplit(".", 1)[1], argument): seconds for work, argument, seconds in parts}

    return look


@pytest.fixture
def disconnects():
    """The cuts announced since the fixture was made."""
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
def redis_away():
    """A context in which the real Redis is dead; it comes back empty."""
    return environment.redis_away


@pytest.fixture
def redis_hangs():
    """A context in which the real Redis answers nothing."""

    @contextmanager
    def hangs() -> Iterator[None]:
        with environment.redis_hangs():
            yield
        wait_until_answered()

    return hangs


def wait_until_answered() -> None:
    """By the portal's own client, which asks nothing for a moment after it got no answer."""
    for _ in range(100):
        with suppress(RedisError):
            client().ping()
            return
        time.sleep(0.1)
    raise AssertionError("Redis did not answer")


@pytest.fixture(scope="session")
def desktop_account() -> None:
    """Root's desktops run under an account of their own; `./podesk run` makes it, and so do the tests."""
    if os.geteuid() == 0:
        subprocess.run(["useradd", "--system", "--no-create-home", settings.LOCAL_DESKTOP_USER], check=False)


@pytest.fixture
def runtime(desktop_account, db) -> Iterator[Runtime]:
    """The runtime of the settings; whatever runs in it afterwards is ended."""
    yield get_runtime()
    end = time.monotonic() + 15
    while (left := get_runtime().list()) and time.monotonic() < end:
        for observed in left:
            get_runtime().stop(observed.name, deadline=Deadline.after(10))
        time.sleep(0.1)
    assert not left


@pytest.fixture
def long_watched() -> None:
    """As if a controller had looked at all desktops without a gap for hours: so all time counts."""
    client().set(key("runtime", "answers-since"), "0")


@pytest.fixture
def scripted_runtime(monkeypatch, db) -> Iterator[ScriptedRuntime]:
    """The runtime is one that sees what the test tells it."""
    runtime = ScriptedRuntime()
    monkeypatch.setattr("desktops.runtimes.local.local_runtime.LocalRuntime", lambda *_, **__: runtime)
    get_runtime.cache_clear()
    yield runtime
    get_runtime.cache_clear()


@pytest.fixture
def controlled(scripted_runtime, monkeypatch, transactional_db, first_rows) -> Iterator[ControllerUnderTest]:
    """A controller at work, with a lease that ends soon; what it sees, the test tells."""
    monkeypatch.setattr(controller, "LEASE_SECONDS", 0.6)
    made = ControllerUnderTest()
    yield made
    made.stop()


@pytest.fixture
def wait_for():
    """Ask until the answer is true; the answer. Fails after some seconds."""

    def wait(ask: Callable[[], Any], seconds: float = 60) -> Any:
        end = time.monotonic() + seconds
        while not (answer := ask()):
            assert time.monotonic() < end, f"waited {seconds} s in vain"
            time.sleep(0.05)
        return answer

    return wait
