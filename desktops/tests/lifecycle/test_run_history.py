"""Each run of a desktop has a row that says when it ran, how it ended and who ended it. It outlives the desktop."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.audit import Actor
from accounts.models import User
from desktops import services
from desktops.lifecycle import closed_accounts, jobs, reconcile, run_history, timers
from desktops.models import Desktop, DesktopEvent, DesktopRun, DesktopSize, RunResult, Status
from desktops.runtimes.base import Observed, Phase, RuntimeFault, VNCEndpoint

PAST = timezone.now() - timedelta(minutes=5)


@pytest.fixture
def launched(alice, image, small) -> Desktop:
    return services.launch_desktop(by=Actor(alice), wanted=services.LaunchRequest(image, small))


def again(desktop: Desktop) -> Desktop:
    return Desktop.objects.get(pk=desktop.pk)


def sees(desktop: Desktop, phase: Phase | None, **fields) -> Desktop:
    """Reconcile the desktop with an observation, and return its row."""
    desktop = again(desktop)
    fields = {"endpoint": VNCEndpoint("unix", "/run/a.sock")} | fields
    name, identity = desktop.object_name, str(desktop.pk)
    seen = phase and Observed(name=name, desktop_id=identity, run=desktop.run, phase=phase, **fields)
    reconcile.reconcile_desktop(desktop, seen)
    return Desktop.objects.filter(pk=desktop.pk).first() or desktop


def run(desktop: Desktop) -> Desktop:
    """Bring the desktop up."""
    again(desktop).move(to=Status.STARTING)
    steps = {step: timezone.now() for step in ("created", "started", "ready")}
    return sees(desktop, Phase.READY, steps=steps)


def outcome(number: int = 1) -> tuple[str, str, str]:
    row = DesktopRun.objects.get(run=number)
    return row.result, row.reason, row.ended_by


def test_a_launch_begins_a_row(launched, alice, image, small):
    row = DesktopRun.objects.get()
    assert (row.owner, row.owner_name, row.desktop_id, row.run) == (alice, "alice", launched.pk, 1)
    assert (row.image_name, row.size_name, row.runtime) == (image.name, small.name, "local")
    assert (row.cpu, row.memory_mib, row.storage_gib, row.gpu) == (
        *(small.cpu, small.memory_mib),
        *(small.storage_gib, small.gpu),
    )
    assert row.queued_at and not row.created_at and not row.ready_at and not row.ended_at


def test_each_step_has_its_first_time(launched):
    again(launched).move(to=Status.STARTING)
    since = again(launched).status_since
    first = since + timedelta(seconds=1)
    sees(launched, Phase.STARTED, steps={"created": first, "started": first + timedelta(seconds=1)})
    DesktopEvent.write(again(launched), "created", at=first + timedelta(hours=1))
    sees(launched, Phase.READY, steps={"ready": first + timedelta(seconds=2)})
    row = DesktopRun.objects.get()
    assert [row.created_at, row.started_at, row.ready_at] == [first + timedelta(seconds=n) for n in range(3)]
    assert row.scheduled_at is None


def test_stopped_by_its_owner(launched, alice):
    desktop = run(launched)
    services.stop_desktop(desktop=desktop, by=Actor(alice))
    row = DesktopRun.objects.get()
    assert row.stopping_at and not row.ended_at and not row.result
    sees(desktop, None)
    assert outcome() == ("stopped", "by_owner", "alice")
    row.refresh_from_db()
    assert row.ready_at < row.stopping_at < row.ended_at


def test_stopped_by_an_administrator(launched, admin):
    desktop = run(launched)
    services.stop_desktop(desktop=desktop, by=Actor(admin))
    sees(desktop, None)
    assert outcome() == ("stopped", "by_admin", "admin")


def test_restart_ends_one_run_and_begins_the_next(launched, alice):
    desktop = run(launched)
    services.restart_desktop(desktop=desktop, by=Actor(alice))
    sees(desktop, None)
    assert outcome(1) == ("restarted", "restart", "alice")
    second = DesktopRun.objects.get(run=2)
    assert second.queued_at and not second.ready_at and not second.result
    run(desktop)
    assert DesktopRun.objects.get(run=2).ready_at


def test_cancelled_restart_is_a_stop(launched, alice):
    desktop = run(launched)
    services.restart_desktop(desktop=desktop, by=Actor(alice))
    services.stop_desktop(desktop=desktop, by=Actor(alice))
    sees(desktop, None)
    assert outcome() == ("stopped", "by_owner", "alice")


def test_failed_start(launched, scripted_runtime):
    again(launched).move(to=Status.STARTING)
    sees(launched, Phase.FAILED, reason="disk_full")
    assert outcome() == ("failed", "disk_full", "")
    assert DesktopRun.objects.get().ready_at is None


def test_refused_start(launched, scripted_runtime, monkeypatch):
    def refuses(spec, *, deadline):
        raise RuntimeFault("admission_denied", "policy")

    monkeypatch.setattr(scripted_runtime, "start", refuses)
    jobs.start_desktop(str(launched.pk))
    assert outcome() == ("failed", "admission_denied", "")


def test_vanished(launched):
    sees(run(launched), None)
    assert outcome() == ("failed", "vanished", "")


def test_start_after_a_failure_keeps_how_the_first_ended(launched, alice):
    desktop = sees(run(launched), None)
    ended = DesktopRun.objects.get().ended_at
    services.start_desktop(desktop=desktop, by=Actor(alice))
    assert outcome(1) == ("failed", "vanished", "")
    assert DesktopRun.objects.get(run=1).ended_at == ended
    assert DesktopRun.objects.get(run=2).queued_at


def test_logged_out_inside(launched):
    sees(run(launched), Phase.ENDED)
    assert outcome() == ("stopped", "logged_out_inside", "")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"idle_minutes": 1, "last_input_at": PAST}, "idle"), ({"expires_at": PAST}, "expired")],
)
def test_ended_by_a_timer(launched, fields, reason):
    Desktop.objects.filter(pk=run(launched).pk).update(**fields)
    timers.run_timers()
    sees(launched, None)
    assert outcome() == ("stopped", reason, "")


def test_ended_because_the_account_is_disabled(launched, alice):
    run(launched)
    User.objects.filter(pk=alice.pk).update(is_active=False)
    closed_accounts.release_holdings()
    sees(launched, None)
    assert outcome() == ("stopped", "account_disabled", "")


@pytest.mark.parametrize("status", [Status.PENDING, Status.STARTING, Status.RUNNING])
def test_deleted_meanwhile(launched, alice, status):
    if status == Status.STARTING:
        again(launched).move(to=Status.STARTING)
    elif status == Status.RUNNING:
        run(launched)
    services.delete_desktop(desktop=again(launched), by=Actor(alice), keep_data=False)
    assert DesktopRun.objects.get().ended_at is None
    sees(launched, None)
    assert not Desktop.objects.exists()
    assert outcome() == ("deleted", "", "alice")
    assert DesktopRun.objects.get().ended_at


def test_deleted_while_it_stops_keeps_who_stopped_it(launched, alice, admin):
    desktop = run(launched)
    services.stop_desktop(desktop=desktop, by=Actor(alice))
    services.delete_desktop(desktop=desktop, by=Actor(admin), keep_data=True)
    sees(desktop, None)
    assert outcome() == ("deleted", "by_owner", "alice")


def test_deletion_at_rest_changes_nothing(launched, alice):
    desktop = sees(run(launched), None)
    before = DesktopRun.objects.values().get()
    services.delete_desktop(desktop=desktop, by=Actor(alice), keep_data=False)
    sees(desktop, None)
    assert DesktopRun.objects.values().get() == before


def test_deleted_account_leaves_its_name(launched, alice):
    services.delete_desktop(desktop=run(launched), by=Actor(alice), keep_data=False)
    sees(launched, None)
    launched.volume.delete()
    alice.delete()
    row = DesktopRun.objects.get()
    assert (row.owner, row.owner_name) == (None, "alice")


def test_running_at_the_upgrade_gets_a_row_at_its_next_change(make_desktop, alice):
    desktop = make_desktop(alice, status=Status.RUNNING, started_at=PAST, run=7)
    DesktopEvent.objects.create(desktop=desktop, run=7, kind="queued", at=PAST - timedelta(seconds=9))
    services.stop_desktop(desktop=desktop, by=Actor(alice))
    row = DesktopRun.objects.get(run=7)
    assert (row.queued_at, row.ready_at, row.ended_by) == (PAST - timedelta(seconds=9), PAST, "alice")
    sees(desktop, None)
    assert outcome(7) == ("stopped", "by_owner", "alice")


def test_at_rest_at_the_upgrade_gets_none(make_desktop, alice):
    services.delete_desktop(desktop=make_desktop(alice), by=Actor(alice), keep_data=False)
    assert not DesktopRun.objects.exists()


def test_lost_move_records_nothing(launched):
    late = again(launched)
    again(launched).move(to=Status.STARTING)
    before = DesktopRun.objects.values().get()
    assert not late.move(to=Status.STOPPING, by="mallory")
    assert DesktopRun.objects.values().get() == before


def test_row_is_rolled_back_with_the_change(launched):
    with pytest.raises(RuntimeError), transaction.atomic():
        again(launched).move(to=Status.FAILED, reason="disk_full")
        raise RuntimeError
    assert again(launched).status == Status.PENDING
    assert not DesktopRun.objects.get().result


def test_size_is_that_of_the_run(launched, small):
    run(launched)
    DesktopSize.objects.filter(pk=small.pk).update(cpu=64)
    assert DesktopRun.objects.get().cpu == small.cpu


@pytest.mark.parametrize(("days", "left"), [(400, {2, 3}), (0, {1, 2, 3})])
def test_retention(launched, settings, days, left):
    settings.RUN_HISTORY_DAYS = days
    row = DesktopRun.objects.get()
    for number, ended in ((1, 401), (2, 399)):
        row.pk, row.run, row.ended_at = None, number, timezone.now() - timedelta(days=ended)
        DesktopRun.objects.filter(run=number).delete()
        row.save(force_insert=True)
    row.pk, row.run, row.ended_at, row.queued_at = None, 3, None, timezone.now() - timedelta(days=999)
    row.save(force_insert=True)
    Desktop.objects.filter(pk=launched.pk).update(run=3)
    timers.prune_daily()
    assert set(DesktopRun.objects.values_list("run", flat=True)) == left
    row.refresh_from_db()
    assert row.ended_at is None  # it is still running


def test_old_rows_are_deleted_in_batches(launched, monkeypatch):
    monkeypatch.setattr(run_history, "_AT_ONCE", 2)
    row = DesktopRun.objects.get()
    for number in range(2, 7):
        row.pk, row.run, row.ended_at = None, number, timezone.now() - timedelta(days=999)
        row.save(force_insert=True)
    run_history.prune()
    assert DesktopRun.objects.count() == 1


def test_run_without_a_desktop_ends(launched):
    run(launched)
    DesktopRun.objects.update(desktop_id=uuid4())  # as if the row was deleted by SQL
    run_history.prune()
    assert DesktopRun.objects.get().result == RunResult.DELETED
    assert DesktopRun.objects.get().ended_at
