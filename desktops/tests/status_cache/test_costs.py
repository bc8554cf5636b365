"""Reading a cached desktop takes no query, and users see only their own desktops."""

from collections import Counter

import pytest
from django.utils import timezone

from core.redis import client
from desktops import selectors
from desktops.exceptions import DesktopNotFound
from desktops.models import Desktop, Status
from desktops.tests.support.api_client import script_of
from desktops.tests.support.status_cache_probe import in_redis, known, warm

pytestmark = pytest.mark.django_db(transaction=True)  # the cache changes on commit


BESIDE = {"info", "hello", "client", "publish"}  # of this measurement, and of the broadcast to open pages


def redis_calls() -> Counter[str]:
    stats = client().info("commandstats")
    calls = Counter({name.removeprefix("cmdstat_"): row["calls"] for name, row in stats.items()})
    return Counter({name: count for name, count in calls.items() if name.partition("|")[0] not in BESIDE})


def test_settled_one_costs_one_call_to_redis_and_no_query(running, django_assert_num_queries):
    before = redis_calls()
    with django_assert_num_queries(0):
        for _ in range(10):
            assert known(running).status == "running"
    assert redis_calls() - before == {"mget": 10}


def test_request_of_a_script_costs_three_round_trips_to_redis_and_no_query(running, alice, django_assert_num_queries):
    """The three are for the revocation, the rate limit and the snapshot."""
    script = script_of(alice)
    script.get(f"pods/{running.object_name}")  # records the first use of the token
    before = client().info("stats")["total_reads_processed"]
    with django_assert_num_queries(0):
        for _ in range(10):
            assert script.get(f"pods/{running.object_name}").json()["status"] == "running"
    assert client().info("stats")["total_reads_processed"] - before == 30 + 1  # INFO itself is one


@pytest.mark.parametrize("status", Status.values)
def test_what_is_on_its_way_is_read_from_the_row_each_time(make_desktop, alice, status, django_assert_num_queries):
    desktop = make_desktop(alice, status=status)
    desktop.notify_owner()
    settled = status in ("running", "stopped", "failed")
    assert in_redis(desktop) is settled
    with django_assert_num_queries(0 if settled else 2):
        assert [known(desktop).status for _ in range(2)] == [status, status]


def test_facts_survive_redis_unchanged(make_desktop, alice):
    moment = timezone.now()
    desktop = make_desktop(alice, status=Status.RUNNING, started_at=moment, expires_at=moment, reason="not_answering")
    row = Desktop.snapshot_of(desktop.object_name)
    warm(desktop)
    assert known(desktop) == row
    assert (row.id, row.owner_id, row.cpu) == (str(desktop.pk), str(alice.pk), f"{desktop.cpu.normalize():f}")


def test_stranger_finds_nothing_though_it_is_remembered(running, bob):
    with pytest.raises(DesktopNotFound):
        selectors.snapshot_for(user_id=str(bob.pk), pod_name=running.object_name)


def test_made_up_names_leave_nothing_in_redis(alice):
    with pytest.raises(DesktopNotFound):
        selectors.snapshot_for(user_id=str(alice.pk), pod_name="vnc-nobody")
    assert client().keys("*nobody*") == []


def test_another_portal_at_the_same_redis_keeps_its_own(running, settings):
    settings.INSTALLATION_ID = "other"
    client().flushdb()
    assert known(running).status == "running"
    assert all(name.startswith("podesk:other:") for name in client().keys("*pod*"))
