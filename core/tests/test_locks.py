"""The lock that keeps two workers from handling the same desktop, on the real Redis."""

import multiprocessing
import time

import pytest

from core import locks
from core.locks import desktop_lock
from core.redis import client, key
from tests.support.environment import redis_unavailable

pytestmark = pytest.mark.once

DESKTOP = "11111111-1111-1111-1111-111111111111"


@pytest.fixture
def short(monkeypatch) -> None:
    monkeypatch.setattr(locks, "LEASE_SECONDS", 0.6)
    monkeypatch.setattr(locks, "WAIT_SECONDS", 0.3)


def work_for_ever(began) -> None:
    with desktop_lock(DESKTOP) as ours:
        assert ours
        began.set()
        time.sleep(600)


def test_one_at_a_time_and_the_next_one_after_it(short):
    with desktop_lock(DESKTOP) as first:
        with desktop_lock(DESKTOP) as second:
            assert (first, second) == (True, False)
        with desktop_lock("another") as beside:
            assert beside
    with desktop_lock(DESKTOP) as third:
        assert third


def test_long_work_keeps_it(short):
    with desktop_lock(DESKTOP):
        time.sleep(3 * locks.LEASE_SECONDS)
        with desktop_lock(DESKTOP) as second:
            assert not second


def test_a_killed_worker_loses_it(monkeypatch):
    monkeypatch.setattr(locks, "WAIT_SECONDS", 20)
    context = multiprocessing.get_context("fork")
    began = context.Event()
    worker = context.Process(target=work_for_ever, args=(began,))
    worker.start()
    assert began.wait(10)
    assert client().pttl(key("desktop", DESKTOP)) <= locks.LEASE_SECONDS * 1000
    worker.kill()
    worker.join()
    with desktop_lock(DESKTOP) as ours:
        assert ours


def test_redis_emptied_during_the_work_does_no_harm(short):
    with desktop_lock(DESKTOP):
        client().flushdb()
        time.sleep(locks.LEASE_SECONDS)
        with desktop_lock(DESKTOP) as next_one:
            assert next_one
        with desktop_lock(DESKTOP) as after_it:  # the process that lost the lock did not release this one's
            assert after_it


def test_redis_unavailable_during_the_work_does_no_harm(short):
    with desktop_lock(DESKTOP), redis_unavailable():
        time.sleep(locks.LEASE_SECONDS)
    with desktop_lock(DESKTOP) as ours:
        assert ours
