"""The lock that keeps two workers from one desktop, on the real Redis."""

import multiprocessing
import time

import pytest

from core import locks
from core.locks import alone_with
from core.redis import client, key
from tests.support.environment import redis_away

DESKTOP = "11111111-1111-1111-1111-111111111111"


@pytest.fixture
def short(monkeypatch) -> None:
    monkeypatch.setattr(locks, "LEASE", 0.6)
    monkeypatch.setattr(locks, "PATIENCE", 0.3)


def work_for_ever(began) -> None:
    with alone_with(DESKTOP) as ours:
        assert ours
        began.set()
        time.sleep(600)


def test_one_at_a_time_and_the_next_one_after_it(short):
    with alone_with(DESKTOP) as first:
        with alone_with(DESKTOP) as second:
            assert (first, second) == (True, False)
        with alone_with("another") as beside:
            assert beside
    with alone_with(DESKTOP) as third:
        assert third


def test_long_work_keeps_it(short):
    with alone_with(DESKTOP):
        time.sleep(3 * locks.LEASE)
        with alone_with(DESKTOP) as second:
            assert not second


def test_a_killed_worker_loses_it(monkeypatch):
    monkeypatch.setattr(locks, "PATIENCE", 20)
    context = multiprocessing.get_context("fork")
    began = context.Event()
    worker = context.Process(target=work_for_ever, args=(began,))
    worker.start()
    assert began.wait(10)
    assert client().pttl(key("desktop", DESKTOP)) <= locks.LEASE * 1000
    worker.kill()
    worker.join()
    with alone_with(DESKTOP) as ours:
        assert ours


def test_redis_emptied_in_the_midst_harms_nobody(short):
    with alone_with(DESKTOP):
        client().flushdb()
        time.sleep(locks.LEASE)
        with alone_with(DESKTOP) as next_one:
            assert next_one
        with alone_with(DESKTOP) as after_it:  # whoever lost it takes nothing from its successor
            assert after_it


def test_redis_away_in_the_midst_harms_nobody(short):
    with alone_with(DESKTOP), redis_away():
        time.sleep(locks.LEASE)
    with alone_with(DESKTOP) as ours:
        assert ours
