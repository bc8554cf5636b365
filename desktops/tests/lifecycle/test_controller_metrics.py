"""The controller shows whether it leads, what answers it, and when it last compared everything."""

from collections.abc import Callable

import pytest
from django.db import OperationalError
from prometheus_client import REGISTRY

from core import locks
from core.redis import client, key
from desktops.lifecycle import heartbeat, leader_report, namespace_quota, processes
from desktops.runtimes.base import ResourceQuotaUse, StorageSpace
from tests.support.metrics import value


@pytest.fixture
def answers(settings, controlled, wait_for) -> Callable[[str], float | None]:
    """Return a function that says whether a dependency answers a leading controller, None if it does not say."""
    settings.RELIST_SECONDS = 0
    wait_for(lambda: _up("runtime") == 1)
    return _up


def _up(dependency: str) -> float | None:
    return REGISTRY.get_sample_value("podesk_dependency_up", {"dependency": dependency})


def test_cluster_that_is_unavailable_and_comes_back(answers, scripted_runtime, wait_for):
    scripted_runtime.unavailable = True
    wait_for(lambda: answers("runtime") == 0)
    assert (answers("database"), answers("redis")) == (1, 1)
    scripted_runtime.unavailable = False
    wait_for(lambda: answers("runtime") == 1)


def test_an_outage_is_logged_when_it_begins_changes_and_ends(answers, scripted_runtime, wait_for, caplog):
    def logged() -> list[tuple[str, bool | None]]:
        found = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
        return [(msg["event"], msg.get("refused")) for msg in found if msg["event"].startswith("runtime_")]

    scripted_runtime.unavailable = True
    wait_for(lambda: heartbeat.runtime_outage() == "away")
    client().delete(key("runtime", "away"))
    wait_for(lambda: heartbeat.runtime_outage() == "away")  # the controller has asked once more
    scripted_runtime.refuses = True
    wait_for(lambda: heartbeat.runtime_outage() == "refused")
    scripted_runtime.unavailable = False
    wait_for(lambda: not heartbeat.runtime_outage())
    wait_for(lambda: len(logged()) == 3)
    assert logged() == [("runtime_unavailable", False), ("runtime_unavailable", True), ("runtime_answers_again", None)]


def test_leading_controller_reports_what_the_overview_shows(answers, scripted_runtime, wait_for):
    scripted_runtime.space = StorageSpace(used=3, free=7)
    scripted_runtime.quotas = (ResourceQuotaUse("pods", 3, 50),)
    client().delete(key("controller", "round"), key("leader-report-written"), key("namespace-quota-read"))
    wait_for(lambda: heartbeat.round_age() is not None)
    wait_for(lambda: leader_report.last().storage == scripted_runtime.space)
    wait_for(lambda: namespace_quota.last() == scripted_runtime.quotas)
    wait_for(lambda: "controller" in {each.kind for each in processes.running()})


def test_redis_that_is_unavailable_and_comes_back(answers, redis_unavailable, wait_for):
    with redis_unavailable():
        wait_for(lambda: answers("redis") == 0)
    wait_for(lambda: answers("redis") == 1)


def test_database_that_fails_during_a_comparison(answers, scripted_runtime, monkeypatch, wait_for):
    def gone() -> None:
        raise OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as patch:
        patch.setattr(scripted_runtime, "list", gone)
        wait_for(lambda: answers("database") == 0)
    wait_for(lambda: answers("database") == 1)


def test_a_controller_that_no_longer_leads_says_nothing_of_what_it_does_not_call(answers, wait_for):
    client().flushdb()
    other = locks.acquire_lock(key("controller", "lease"), lease=30)
    wait_for(lambda: value("podesk_controller_leader") == 0)
    wait_for(lambda: answers("redis") == 1)
    assert (answers("database"), answers("runtime")) == (None, None)
    other.release()
    wait_for(lambda: answers("runtime") == 1)


def test_time_of_the_last_full_comparison_moves_on(answers, wait_for):
    first = value("podesk_controller_last_round_timestamp_seconds")
    rounds = value("podesk_controller_round_seconds_count")
    wait_for(lambda: value("podesk_controller_last_round_timestamp_seconds") > first)
    wait_for(lambda: value("podesk_controller_round_seconds_count") > rounds)  # written a moment later
