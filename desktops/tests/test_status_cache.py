"""What a script reads of a settled desktop costs no query, and is never older than the last commit."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from threading import Event, Thread

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from accounts.audit import Actor
from accounts.cuts import Cut, cut_after_commit
from accounts.models import Quota
from accounts.redis import client
from desktops import reconcile, selectors, services, status_cache, timers
from desktops.api.tests.scripts import script_of
from desktops.exceptions import DesktopNotFound
from desktops.facts import Facts
from desktops.models import Desktop, DesktopImage, Status
from desktops.queue import enqueue_after_commit
from desktops.runs import NO_ENDPOINT
from desktops.runtimes.base import Endpoint, Exposed, Observed, Phase

pytestmark = pytest.mark.django_db(transaction=True)  # what is remembered changes on commit
SOCKET = Endpoint("unix", "/run/a.sock")
THERE = {"endpoint_kind": "unix", "endpoint_address": SOCKET.address}


def known(desktop: Desktop) -> Facts:
    return selectors.facts_for(user_id=str(desktop.owner_id), pod_name=desktop.object_name)


def seen(desktop: Desktop, phase: Phase, **fields) -> Observed:
    endpoint = SOCKET if phase == Phase.READY else None
    given = {"run": desktop.run, "endpoint": endpoint} | fields
    return Observed(name=desktop.object_name, desktop_id=str(desktop.pk), phase=phase, **given)


@pytest.fixture
def running(make_desktop, alice) -> Desktop:
    """One that runs, whose facts Redis has."""
    desktop = make_desktop(alice, status=Status.RUNNING, started_at=timezone.now(), **THERE)
    return warm(desktop)


def warm(desktop: Desktop) -> Desktop:
    desktop.tell_owner()
    assert in_redis(desktop)
    return desktop


def in_redis(desktop: Desktop) -> bool:
    return bool(client().exists(status_cache._snapshot(desktop.object_name)))


@pytest.fixture
def same_as_row(django_assert_num_queries):
    """What a script reads is what the row says; a settled one without any query."""

    def compare(desktop: Desktop) -> Facts:
        row = Desktop.facts_of(desktop.object_name)
        with django_assert_num_queries(0 if row.status in status_cache.SETTLED else 1):
            assert known(desktop) == row
        return row

    return compare


# --- what it costs ---


BESIDE = {"info", "hello", "client", "publish"}  # of this look itself, and of the broadcast to open pages


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
    """Is the token revoked, how many requests were there, what is so."""
    script = script_of(alice)
    script.get(f"pods/{running.object_name}")  # notes the first use of the token
    before = client().info("stats")["total_reads_processed"]
    with django_assert_num_queries(0):
        for _ in range(10):
            assert script.get(f"pods/{running.object_name}").json()["status"] == "running"
    assert client().info("stats")["total_reads_processed"] - before == 30 + 1  # INFO is one itself


@pytest.mark.parametrize("status", Status.values)
def test_what_is_on_its_way_is_read_from_the_row_each_time(make_desktop, alice, status, django_assert_num_queries):
    desktop = make_desktop(alice, status=status)
    desktop.tell_owner()
    settled = status in ("running", "stopped", "failed")
    assert in_redis(desktop) is settled
    with django_assert_num_queries(0 if settled else 2):
        assert [known(desktop).status for _ in range(2)] == [status, status]


def test_facts_survive_redis_unchanged(make_desktop, alice):
    moment = timezone.now()
    desktop = make_desktop(alice, status=Status.RUNNING, started_at=moment, expires_at=moment, reason="not_answering")
    row = Desktop.facts_of(desktop.object_name)
    warm(desktop)
    assert known(desktop) == row
    assert (row.id, row.owner_id, row.cpu) == (str(desktop.pk), str(alice.pk), f"{desktop.cpu.normalize():f}")


# --- every change shows at once ---


def stop(desktop: Desktop) -> None:
    services.stop_desktop(desktop=desktop, by=Actor(desktop.owner))


def extend(desktop: Desktop) -> None:
    Quota.objects.create(user=desktop.owner, max_lifetime_minutes=60)
    Desktop.objects.filter(pk=desktop.pk).update(expires_at=timezone.now())
    services.extend_desktop(desktop=desktop, by=Actor(desktop.owner))


def restart(desktop: Desktop) -> None:
    services.restart_desktop(desktop=desktop, by=Actor(desktop.owner))


def delete(desktop: Desktop) -> None:
    services.delete_desktop(desktop=desktop, by=Actor(desktop.owner), keep_data=True)


def settled_as(phase: Phase | None, **fields) -> Callable[[Desktop], None]:
    return lambda desktop: reconcile.settle(desktop, phase and seen(desktop, phase, **fields))


def time_over(desktop: Desktop) -> None:
    Desktop.objects.filter(pk=desktop.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    timers.run_timers()


AT_NODE = Exposed("10.0.0.7", 30001, 30002, 31001)
CHANGES = [
    ("stop", stop, "stopping"),
    ("restart", restart, "stopping"),
    ("extend", extend, "running"),
    ("delete", delete, "deleting"),
    ("its time is over", time_over, "stopping"),
    ("vanished", settled_as(None), "failed"),
    ("logged out inside", settled_as(Phase.ENDED), "stopped"),
    ("does not answer", settled_as(Phase.STARTED), "running"),
    ("crashed and came back", settled_as(Phase.READY, restarts=1, reason="crashed"), "running"),
    ("another address", settled_as(Phase.READY, exposed=AT_NODE), "running"),
]


@pytest.mark.parametrize(("change", "status"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES])
def test_change_of_a_running_one_shows_at_once(running, same_as_row, change, status):
    before = known(running)
    change(Desktop.objects.get(pk=running.pk))
    now = same_as_row(running)
    assert now.status == status
    assert now != before


def test_address_and_reason_are_told(running, same_as_row):
    settled_as(Phase.READY, exposed=AT_NODE)(running)
    assert same_as_row(running).exposed_vnc == 30001
    running.refresh_from_db()
    settled_as(Phase.STARTED)(running)
    assert same_as_row(running).reason == "not_answering"
    running.refresh_from_db()
    settled_as(Phase.READY, exposed=AT_NODE)(running)
    assert same_as_row(running).reason == ""


def test_from_rest_to_running_and_back(make_desktop, alice, same_as_row):
    desktop = warm(make_desktop(alice, status=Status.STOPPED))
    services.start_desktop(desktop=desktop, by=Actor(alice))
    assert same_as_row(desktop).status == "pending"
    assert desktop.move(to=Status.STARTING)
    assert same_as_row(desktop).status == "starting"
    reconcile.settle(desktop, seen(desktop, Phase.READY))
    assert same_as_row(desktop).status == "running"  # remembered by the controller, before anybody asked
    desktop.refresh_from_db()
    stop(desktop)
    desktop.refresh_from_db()
    reconcile.settle(desktop, None)
    assert same_as_row(desktop).status == "stopped"


def test_gone_is_gone(running):
    delete(running)
    running.refresh_from_db()
    reconcile.settle(running, None)
    with pytest.raises(DesktopNotFound):
        known(running)


def test_made_again_under_the_same_name(running, make_desktop, alice, same_as_row):
    name = running.object_name
    delete(running)
    running.refresh_from_db()
    reconcile.settle(running, None)
    again = make_desktop(alice, object_name=name, status=Status.STOPPED)
    assert known(again).status == "stopped"
    assert same_as_row(again).id == str(again.pk)


def test_renamed_image_shows_when_the_memory_ends(running):
    """The one thing that nobody tells: an administrator's new name for an image."""
    DesktopImage.objects.update(name="Another name")
    assert known(running).image != "Another name"
    assert 0 < client().ttl(status_cache._snapshot(running.object_name)) <= status_cache.REMEMBERED == 60


# --- nothing stale ---


def test_what_was_rolled_back_shows_nowhere(running, same_as_row):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        stop(Desktop.objects.get(pk=running.pk))
        raise ZeroDivisionError
    assert same_as_row(running).status == "running"


def seen_by_others(desktop: Desktop) -> str:
    """Its status, in another thread with a connection of its own."""
    with ThreadPoolExecutor(1) as other:
        try:
            return other.submit(known, desktop).result(10).status
        finally:
            other.submit(connections.close_all).result(10)


def test_uncommitted_change_shows_to_nobody_else_until_commit(running, same_as_row):
    with transaction.atomic():
        Desktop.objects.get(pk=running.pk).move(to=Status.FAILED, reason="vanished")
        assert known(running).status == "failed"
        assert seen_by_others(running) == "running"
    assert same_as_row(running).status == "failed"


def test_what_is_remembered_is_renewed_before_anybody_is_told(running):
    """A script that hears of the change and asks at once reads it."""
    with client().monitor() as heard:
        assert Desktop.objects.get(pk=running.pk).move(to=Status.FAILED, reason="vanished")
        order: list[str] = []
        while "told" not in order:
            command = heard.next_command()["command"]
            order += ["renewed"] * command.startswith(f"SET {status_cache._mark(running.object_name)} ")
            order += ["told"] * command.startswith("PUBLISH ")
    assert order == ["renewed", "told"]


def broken_cut() -> None:
    cut_after_commit(Cut("desktop", object(), "stopped"))  # no JSON is made of that


def broken_order() -> None:
    enqueue_after_commit(None, "no work")


@pytest.mark.parametrize("broken", [broken_cut, broken_order])
def test_what_fails_after_the_commit_does_not_keep_the_rest_from_being_done(running, same_as_row, broken):
    with transaction.atomic():
        broken()
        Desktop.objects.get(pk=running.pk).move(to=Status.FAILED, reason="vanished")
    assert same_as_row(running).status == "failed"


def test_what_was_read_within_a_transaction_is_not_remembered(running, same_as_row):
    client().delete(status_cache._snapshot(running.object_name))
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        fails(Desktop.objects.get(pk=running.pk))()
        assert known(running).status == "failed"
        raise ZeroDivisionError
    assert known(running).status == "running"


class Slow:
    """Reads the row, then is held up until told to go on."""

    def __init__(self, desktop: Desktop) -> None:
        self._name = desktop.object_name
        self.has_read, self.go_on = Event(), Event()

    def __call__(self) -> Facts | None:
        try:
            found = Desktop.facts_of(self._name)
        finally:
            connection.close()
        self.has_read.set()
        assert self.go_on.wait(10)
        return found


def overtaken(slow: Slow, work: Callable[[], object], meanwhile: Callable[[], object]) -> None:
    """`work`, in a thread, has read the row when `meanwhile` happens, and ends after it."""
    thread = Thread(target=work)
    thread.start()
    assert slow.has_read.wait(10)
    meanwhile()
    slow.go_on.set()
    thread.join(10)
    assert not thread.is_alive()


def assert_failed(desktop: Desktop) -> None:
    """For the first who asks, who may find a late snapshot and pass it over, and for all after him."""
    assert [known(desktop).status for _ in range(3)] == ["failed"] * 3


def fails(desktop: Desktop) -> Callable[[], bool]:
    return lambda: desktop.move(to=Status.FAILED, reason="vanished", **NO_ENDPOINT)


def test_slow_reader_leaves_nothing_stale(running, same_as_row):
    name = running.object_name
    client().delete(status_cache._snapshot(name))  # its time is over
    slow, answers = Slow(running), []
    overtaken(slow, lambda: answers.append(status_cache.look(name, slow)), fails(running))
    assert [found.status for found in answers] == ["running"]  # as it was when he asked
    assert_failed(running)
    same_as_row(running)


def test_slow_reader_of_an_empty_redis_leaves_nothing_stale(running, same_as_row):
    client().flushdb()
    slow = Slow(running)
    overtaken(slow, lambda: status_cache.look(running.object_name, slow), fails(running))
    assert_failed(running)
    same_as_row(running)


def test_slow_reader_outlived_by_an_emptied_redis_leaves_nothing_stale(running, same_as_row):
    client().delete(status_cache._snapshot(running.object_name))
    slow = Slow(running)

    def change_and_empty() -> None:
        fails(running)()
        client().flushdb()

    overtaken(slow, lambda: status_cache.look(running.object_name, slow), change_and_empty)
    assert_failed(running)
    same_as_row(running)


def test_slow_controller_leaves_nothing_stale(running, same_as_row):
    """Two commits, and the one that read first writes last."""
    slow = Slow(running)
    overtaken(slow, lambda: status_cache.renew_after_commit(running.object_name, slow), fails(running))
    assert_failed(running)
    same_as_row(running)


def test_snapshot_of_another_version_is_not_read(running, same_as_row):
    snapshot = status_cache._snapshot(running.object_name)
    client().set(snapshot, client().get(snapshot).replace('"gpu"', '"gpus"'))
    assert known(running).status == "running"
    assert same_as_row(running)


# --- Redis ---


def test_emptied_redis_is_filled_again(running, same_as_row):
    client().flushdb()
    for _ in range(2):  # first a mark, then what is read under it
        assert known(running).status == "running"
    same_as_row(running)


def test_without_redis_the_database_answers(running, redis_away):
    with redis_away():
        assert known(running).status == "running"
        Desktop.objects.filter(pk=running.pk).update(status=Status.STOPPED)
        assert known(running).status == "stopped"
    assert known(running).status == "stopped"


def test_commit_without_redis_succeeds_and_shows(running, redis_away, same_as_row):
    with redis_away():
        assert fails(running)()
        assert known(running).status == "failed"
    assert [known(running).status for _ in range(2)] == ["failed"] * 2
    same_as_row(running)


@pytest.fixture
def redis_out_of_reach(settings) -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """A context in which the portal does not reach Redis, which lives on with all that it knows."""
    right = settings.REDIS_URL

    @contextmanager
    def lost() -> Iterator[None]:
        settings.REDIS_URL = "unix:///nowhere.sock"
        client.cache_clear()
        yield
        settings.REDIS_URL = right
        client.cache_clear()

    yield lost
    client.cache_clear()


def test_message_that_redis_lost_costs_a_minute_at_most(running, redis_out_of_reach):
    with redis_out_of_reach():
        assert fails(running)()
    assert known(running).status == "running"
    snapshot = status_cache._snapshot(running.object_name)
    assert client().ttl(snapshot) <= 60
    client().pexpire(snapshot, 1)  # the minute is over
    while client().exists(snapshot):
        pass
    assert_failed(running)


# --- who ---


def test_stranger_finds_nothing_though_it_is_remembered(running, bob):
    with pytest.raises(DesktopNotFound):
        selectors.facts_for(user_id=str(bob.pk), pod_name=running.object_name)


def test_made_up_names_leave_nothing_in_redis(alice):
    with pytest.raises(DesktopNotFound):
        selectors.facts_for(user_id=str(alice.pk), pod_name="vnc-nobody")
    assert client().keys("*nobody*") == []


def test_another_portal_at_the_same_redis_keeps_its_own(running, settings):
    settings.INSTALLATION_ID = "other"
    client().flushdb()
    assert known(running).status == "running"
    assert all(name.startswith("podesk:other:") for name in client().keys("*pod*"))
