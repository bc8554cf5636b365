"""Observations change the row, and missing work is queued again. One test per line of the table."""

import time
from datetime import UTC, datetime, timedelta

import django_rq
import pytest
from django.utils import timezone

from accounts.models import Quota
from core.redis import client, key
from desktops.lifecycle import jobs, reconcile
from desktops.models import Desktop, Status, Volume
from desktops.runtimes.base import Observed, Phase, VNCEndpoint

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
SOCKET = VNCEndpoint("unix", "/run/a.sock")


def seen(desktop: Desktop, phase: Phase, **fields) -> Observed:
    fields = {"run": desktop.run, "endpoint": SOCKET if phase == Phase.READY else None} | fields
    return Observed(name=desktop.object_name, desktop_id=str(desktop.pk), phase=phase, **fields)


@pytest.fixture
def settle(make_desktop, alice, django_capture_on_commit_callbacks):
    """Return a function that reconciles a row of a status with an observation, and returns the row."""

    def go(status: Status, phase: Phase | None, observed: dict | None = None, **fields) -> Desktop:
        desktop = make_desktop(alice, status=status, **fields)
        with django_capture_on_commit_callbacks(execute=True):
            reconcile.reconcile_desktop(desktop, phase and seen(desktop, phase, **(observed or {})))
        return Desktop.objects.filter(pk=desktop.pk).first() or desktop

    return go


def again(desktop: Desktop) -> Desktop:
    """Reconcile the row with no observation."""
    reconcile.reconcile_desktop(Desktop.objects.get(pk=desktop.pk), None)
    return Desktop.objects.get(pk=desktop.pk)


def test_ready_makes_it_run_with_endpoint_and_limits(settle, alice):
    Quota.objects.create(user=alice, idle_minutes=30, max_lifetime_minutes=60)
    desktop = settle(Status.STARTING, Phase.READY, {"steps": {"created": timezone.now(), "ready": timezone.now()}})
    assert (desktop.status, desktop.endpoint_kind, desktop.endpoint_address) == (Status.RUNNING, "unix", SOCKET.address)
    assert desktop.idle_minutes == 30
    assert desktop.expires_at - desktop.started_at == timedelta(minutes=60)
    assert {"created", "ready", "running"} <= set(desktop.events.values_list("kind", flat=True))


@pytest.mark.parametrize("phase", [Phase.CREATED, Phase.STARTED])
def test_on_its_way_keeps_waiting(settle, phase):
    assert settle(Status.STARTING, phase).status == Status.STARTING


def test_a_step_is_written_once(make_desktop, alice):
    desktop = make_desktop(alice, status=Status.STARTING)
    for _ in range(3):
        reconcile.reconcile_desktop(desktop, seen(desktop, Phase.STARTED, steps={"created": timezone.now()}))
    assert desktop.events.filter(kind="created").count() == 1


def test_a_step_is_never_told_before_the_order_to_start(make_desktop, alice):
    desktop = make_desktop(alice, status=Status.STARTING)
    reconcile.reconcile_desktop(desktop, seen(desktop, Phase.STARTED, steps={"scheduled": LONG_AGO}))
    assert desktop.events.get(kind="scheduled").at == desktop.status_since


@pytest.mark.parametrize(
    ("status", "phase", "observed", "becomes", "reason"),
    [
        (Status.STARTING, Phase.FAILED, {"reason": "disk_full"}, Status.FAILED, "disk_full"),
        (Status.STARTING, Phase.ENDED, {}, Status.FAILED, "start_failed"),
        (Status.RUNNING, Phase.FAILED, {"reason": "session_crashed"}, Status.FAILED, "session_crashed"),
        (Status.RUNNING, None, {}, Status.FAILED, "vanished"),
        (Status.RUNNING, Phase.READY, {"run": 7}, Status.FAILED, "vanished"),  # of another run, so not this desktop's
        (Status.RUNNING, Phase.STOPPING, {}, Status.FAILED, "vanished"),  # it was ended, but not by the portal
        (Status.RUNNING, Phase.FAILED, {"reason": "evicted"}, Status.FAILED, "evicted"),
        (Status.RUNNING, Phase.STARTED, {}, Status.RUNNING, "not_answering"),
        (Status.RUNNING, Phase.READY, {"restarts": 1, "reason": "out_of_memory"}, Status.RUNNING, "restarted_memory"),
        (Status.RUNNING, Phase.READY, {"restarts": 1}, Status.RUNNING, "restarted_crash"),
        (Status.RUNNING, Phase.READY, {"restarts": 1, "reason": "screen_crashed"}, Status.RUNNING, "restarted_screen"),
        (Status.RUNNING, Phase.STARTED, {"reason": "restarting_container"}, Status.RUNNING, "restarting_session"),
        (Status.RUNNING, Phase.ENDED, {}, Status.STOPPED, "logged_out_inside"),
        (Status.RUNNING, Phase.READY, {}, Status.RUNNING, ""),
        (Status.STOPPING, Phase.STOPPING, {}, Status.STOPPING, ""),
        (Status.STOPPING, None, {}, Status.STOPPED, ""),
        (Status.STOPPED, None, {}, Status.STOPPED, ""),
    ],
)
def test_outcomes(settle, status, phase, observed, becomes, reason):
    desktop = settle(status, phase, observed)
    assert (desktop.status, desktop.reason) == (becomes, reason)


def test_failure_and_end_cut_the_stream(settle, disconnects):
    settle(Status.RUNNING, None)
    settle(Status.RUNNING, Phase.ENDED, name="second")
    assert [cut.reason for cut in disconnects()] == ["failed", "stopped"]


def test_start_that_takes_too_long_fails_and_is_ended(settle, queued, long_watched):
    desktop = settle(Status.STARTING, Phase.STARTED, status_since=LONG_AGO)
    assert (desktop.status, desktop.reason) == (Status.FAILED, "start_timeout")
    assert queued() == [("stop_desktop", str(desktop.pk))]


@pytest.mark.parametrize("reason", ["node_lost", "session_crashed", "crash_loop", "image_denied", "out_of_memory"])
@pytest.mark.parametrize("status", [Status.STARTING, Status.RUNNING, Status.FAILED])
def test_what_failed_is_ended_so_that_the_next_start_finds_its_place_free(settle, queued, status, reason):
    """The pod is stopped even after the row has failed. Only a later stop forces a pod on a dead machine."""
    desktop = settle(status, Phase.FAILED, {"reason": reason})
    assert desktop.status == Status.FAILED
    assert queued() == [("stop_desktop", str(desktop.pk))]


@pytest.mark.parametrize(
    ("status", "phase", "work"),
    [
        (Status.PENDING, None, "start_desktop"),
        (Status.STARTING, None, "start_desktop"),
        (Status.STOPPING, Phase.READY, "stop_desktop"),
        (Status.DELETING, Phase.READY, "stop_desktop"),
    ],
)
def test_lost_work_is_ordered_again_once(settle, queued, status, phase, work):
    young = settle(status, phase)
    assert queued() == []
    stuck = Desktop.objects.get(pk=young.pk)
    stuck.status_since = timezone.now() - timedelta(seconds=reconcile.QUEUE_TIMEOUT + 1)
    for _ in range(3):
        reconcile.reconcile_desktop(stuck, phase and seen(stuck, phase))
    assert queued() == [(work, str(stuck.pk))]


def test_a_start_of_which_nothing_is_seen_is_ordered_once_more_before_it_fails(settle, queued, long_watched):
    """All workers may have been down for minutes, and the job may have been lost with one of them."""
    desktop = settle(Status.STARTING, None, status_since=LONG_AGO)
    assert (desktop.status, queued()) == (Status.STARTING, [("start_desktop", str(desktop.pk))])
    order = django_rq.get_queue("desktops").jobs[0]
    order.enqueued_at = timezone.now() - timedelta(seconds=5)
    order.save()
    once_more = key("once-more", f"{desktop.pk}-{desktop.run}")
    client().set(once_more, time.time() - reconcile.QUEUE_TIMEOUT - 1)
    assert again(desktop).status == Status.STARTING  # no worker has taken it yet
    django_rq.get_queue("desktops").empty()
    assert again(desktop).reason == "start_timeout"


def test_work_that_has_not_had_its_turn_yet_is_not_lost(settle, queued):
    """A hundred launches are queued first. Queuing them again would run each of them twice."""
    others = django_rq.get_queue("desktops").enqueue(jobs.start_desktop, "of somebody else")
    others.enqueued_at = timezone.now() - timedelta(seconds=5)
    others.save()
    settle(Status.PENDING, None, status_since=LONG_AGO)
    assert queued() == [("start_desktop", "of somebody else")]


def test_what_runs_though_it_should_rest_is_ended(settle, queued):
    desktop = settle(Status.STOPPED, Phase.READY)
    assert queued() == [("stop_desktop", str(desktop.pk))]


def test_restart_goes_on_when_it_has_stopped(settle, queued):
    desktop = settle(Status.STOPPING, None, restarting=True)
    assert (desktop.status, desktop.run, desktop.restarting) == (Status.PENDING, 2, False)
    assert queued() == [("start_desktop", str(desktop.pk))]


@pytest.mark.parametrize("keep", [True, False])
def test_deleted_when_nothing_is_left(settle, queued, keep):
    desktop = settle(Status.DELETING, None, keep_data=keep)
    assert not Desktop.objects.exists()
    volume = Volume.objects.get()
    assert (bool(volume.kept_at), volume.desktop_name) == (keep, desktop.name)
    assert queued() == [
        ("remove_leftovers", desktop.object_name),  # what a killed start may have left
        *([] if keep else [("delete_volume", str(volume.pk))]),
    ]
    assert desktop.keep_data == keep


def test_files_that_are_being_deleted_have_the_name_of_their_last_desktop(make_desktop, alice):
    desktop = make_desktop(alice, name="thesis", status=Status.DELETING, keep_data=False)
    Volume.objects.update(desktop_name="its first desktop")
    reconcile.reconcile_desktop(desktop, None)
    assert Volume.objects.get().desktop_name == "thesis"


def test_orphan_goes_after_its_grace(db, queued):
    orphan = Observed(name="vnc-nobody", desktop_id="", run=1, phase=Phase.READY)
    reconcile.reconcile_missing(orphan)
    assert queued() == []
    client().set(key("orphan", "vnc-nobody"), (timezone.now() - timedelta(seconds=61)).isoformat())
    reconcile.reconcile_missing(orphan)
    assert queued() == [("remove_orphan", "vnc-nobody")]


def test_row_that_moved_meanwhile_is_left_alone(make_desktop, alice):
    stale = make_desktop(alice, status=Status.STARTING)
    Desktop.objects.filter(pk=stale.pk).update(status=Status.STOPPING)
    reconcile.reconcile_desktop(stale, seen(stale, Phase.READY))
    assert Desktop.objects.get(pk=stale.pk).status == Status.STOPPING


def test_a_restart_inside_a_run_is_told_once(make_desktop, alice):
    desktop = make_desktop(alice, status=Status.RUNNING)
    for _ in range(3):
        reconcile.reconcile_desktop(Desktop.objects.get(pk=desktop.pk), seen(desktop, Phase.READY, restarts=2))
    assert desktop.events.filter(kind="restarted").count() == 1


def test_a_desktop_that_answers_again_needs_no_words(make_desktop, alice):
    desktop = make_desktop(alice, status=Status.RUNNING)
    for phase in (Phase.STARTED, Phase.READY):
        reconcile.reconcile_desktop(Desktop.objects.get(pk=desktop.pk), seen(desktop, phase))
    desktop.refresh_from_db()
    assert (desktop.status, desktop.reason) == (Status.RUNNING, "")


def test_a_volume_that_ran_once_is_known_to_hold_work(settle):
    assert settle(Status.STARTING, Phase.READY).volume.used_at
    assert not settle(Status.STARTING, Phase.STARTED, name="second").volume.used_at
