"""The controller's rounds: tasks begin, are observed, end, and have their consequences."""

from datetime import timedelta

import pytest
from django.utils import timezone
from structlog.testing import capture_logs

from accounts.models import AuditEvent, Quota
from core.redis import client, key
from desktops import services
from desktops.lifecycle.backups import repositories, requests, rounds
from desktops.lifecycle.backups.rounds import cancel_of_disabled
from desktops.models import Backup, BackupRepository, BackupTask, Desktop, Status, Volume
from desktops.runtimes import get_backup_engine
from desktops.runtimes.base import Phase, RuntimeFault

KIND, STATUS, TRIGGER = BackupTask.Kind, BackupTask.Status, BackupTask.Trigger


@pytest.fixture
def desktop(make_desktop, alice) -> Desktop:
    return make_desktop(alice)


@pytest.fixture
def running(desktop, by_alice, engine, go_round) -> BackupTask:
    """Return a backup that runs in the engine."""
    task = requests.back_up_now(volume=desktop.volume, by=by_alice)
    go_round()
    assert [begun.id for begun in engine.begun] == [str(task.pk)]
    return task


def state(task: BackupTask) -> tuple[str, str]:
    task.refresh_from_db()
    return task.status, task.reason


def pass_time(task: BackupTask, seconds: float) -> None:
    BackupTask.objects.filter(pk=task.pk).update(started_at=timezone.now() - timedelta(seconds=seconds))


def test_a_backup_runs_and_its_result_is_recorded(desktop, running, engine, go_round):
    assert state(running) == ("running", "")
    assert engine.begun[0].volume == desktop.volume.object_name
    engine.succeeds(running.pk, snapshot="abc", size=10, added=4, files_new=3, files_unread=1)
    go_round()
    assert state(running) == ("succeeded", "")
    backup = Backup.objects.get()
    assert (backup.snapshot, backup.size_bytes, backup.added_bytes, backup.files_unread) == ("abc", 10, 4, 1)
    repository = BackupRepository.objects.get()
    assert (repository.succeeded_at, repository.size_bytes) == (running.started_at, 4)
    assert backup.created_at == running.started_at  # it contains nothing newer
    go_round()
    assert engine.there == {}


def test_a_task_whose_worker_was_killed_before_it_began_is_begun_again(desktop, by_alice, engine, go_round):
    task = requests.back_up_now(volume=desktop.volume, by=by_alice)
    BackupTask.objects.update(status=STATUS.RUNNING, started_at=timezone.now())
    go_round()
    assert not engine.begun
    pass_time(task, 11)
    go_round()
    go_round()
    assert [begun.id for begun in engine.begun] == [str(task.pk)]
    assert state(task) == ("running", "")


def test_nothing_changes_while_the_engine_does_not_answer(running, engine, go_round):
    pass_time(running, 10**6)
    engine.unavailable = True
    with capture_logs() as logs:
        go_round()
        go_round()
    assert state(running) == ("running", "")
    assert [line["event"] for line in logs if line["log_level"] == "warning"] == ["backups_not_observed"]


def test_a_task_that_cannot_begin_fails_at_once_or_is_tried_again(desktop, by_alice, engine, go_round):
    task = requests.back_up_now(volume=desktop.volume, by=by_alice)
    engine.fault = RuntimeFault("cluster_refused", "busy", permanent=False)
    go_round()
    assert state(task) == ("running", "")
    engine.fault = RuntimeFault("restic_missing", "no restic")
    pass_time(task, 11)
    go_round()
    assert state(task) == ("failed", "restic_missing")
    assert BackupRepository.objects.get().reason == "restic_missing"


def test_a_task_beyond_its_deadline_fails_only_when_nothing_of_it_runs(running, engine, go_round, settings):
    pass_time(running, settings.BACKUP_DEADLINE + 1)
    engine.still_ending = True
    go_round()
    assert state(running) == ("running", "timed_out")
    engine.still_ending = False
    go_round()
    assert state(running) == ("failed", "timed_out")
    assert engine.there == {}


def test_the_next_task_of_a_repository_waits_until_nothing_is_left_of_the_last(running, by_alice, engine, go_round):
    engine.fails(running.pk, "interrupted")
    engine.still_ending = True
    go_round()
    assert state(running) == ("failed", "interrupted")
    following = requests.back_up_now(volume=running.volume, by=by_alice)
    go_round()
    assert state(following) == ("queued", "")
    engine.still_ending = False
    go_round()
    go_round()
    assert state(following) == ("running", "")


def test_what_a_person_waits_for_begins_first_and_never_more_than_allowed(
    make_desktop, alice, by_alice, engine, go_round, settings
):
    settings.BACKUPS_AT_ONCE = 2
    volumes = [make_desktop(alice, name=f"d{number}").volume for number in range(4)]
    for volume in volumes[:3]:
        repositories.repository_of(volume).tasks.create(kind=KIND.BACKUP, trigger=TRIGGER.SCHEDULE, volume=volume)
    requests.back_up_now(volume=volumes[3], by=by_alice)
    go_round()
    go_round()
    assert [begun.volume for begun in engine.begun] == [volumes[3].object_name, volumes[0].object_name]


def test_a_restore_runs_after_its_safety_backup_and_when_the_desktop_is_gone(
    desktop, by_alice, make_backup, engine, go_round, scripted_runtime
):
    backup = make_backup(desktop.volume)
    scripted_runtime.sees(desktop, Phase.STOPPING)
    task = requests.restore(backup=backup, by=by_alice)
    go_round()
    assert [begun.kind for begun in engine.begun] == ["backup"]
    engine.succeeds(engine.begun[0].id)
    for _ in range(3):
        go_round()
    assert state(task) == ("running", "")
    assert len(engine.begun) == 1  # something of the desktop is still there
    scripted_runtime.there.clear()
    pass_time(task, 11)
    go_round()
    restored = engine.begun[1]
    assert (restored.kind, restored.snapshot, restored.folder) == ("restore", backup.snapshot, "")
    assert restored.new_volume is None
    engine.succeeds(task.pk)
    go_round()
    services.start_desktop(desktop=desktop, by=by_alice)


def test_nothing_is_restored_when_the_safety_backup_fails(desktop, by_alice, make_backup, engine, go_round):
    task = requests.restore(backup=make_backup(desktop.volume), by=by_alice)
    go_round()
    engine.fails(engine.begun[0].id, "repository_full")
    go_round()
    assert state(task) == ("failed", "repository_full")
    assert len(engine.begun) == 1


@pytest.mark.parametrize("well", [True, False])
def test_new_files_appear_with_a_restore_and_vanish_with_its_failure(
    *, desktop, by_alice, make_backup, engine, go_round, queued, well
):
    Quota.objects.create(user=by_alice.user, storage_gib=50)
    task = requests.restore_as_new(backup=make_backup(desktop.volume), name="saved", by=by_alice)
    go_round()
    assert engine.begun[0].new_volume.storage_gib == 5
    if well:
        engine.succeeds(task.pk)
    else:
        engine.fails(task.pk, "repository_damaged")
    go_round()
    volume = Volume.objects.get(pk=task.volume_id)
    assert (bool(volume.kept_at), bool(volume.used_at)) == (well, well)
    assert (("delete_volume", str(volume.pk)) in queued()) is not well


def delete_after_backup(desktop, by, go_round) -> BackupTask:
    task = requests.delete_after_backup(desktop=desktop, by=by)
    go_round()
    return task


def test_a_desktop_is_deleted_with_its_files_when_the_backup_has_succeeded(desktop, by_alice, engine, go_round, queued):
    task = delete_after_backup(desktop, by_alice, go_round)
    assert Desktop.objects.get().status == Status.STOPPED
    engine.succeeds(task.pk)
    go_round()
    row = Desktop.objects.get()
    assert (row.status, row.keep_data) == (Status.DELETING, False)
    assert ("stop_desktop", str(row.pk)) in queued()
    event = AuditEvent.objects.get(action="desktop.delete")
    assert (event.actor, event.details["after_backup"]) == (by_alice.user, True)


def test_the_backup_waits_until_the_desktop_has_stopped(desktop, by_alice, engine, go_round):
    Desktop.objects.update(status=Status.RUNNING)
    delete_after_backup(desktop, by_alice, go_round)
    assert not engine.begun
    Desktop.objects.update(status=Status.STOPPED)
    go_round()
    assert len(engine.begun) == 1


@pytest.mark.parametrize("reason", ["repository_full", "repository_unreachable"])
def test_a_failed_backup_keeps_desktop_and_files(desktop, by_alice, engine, go_round, reason):
    task = delete_after_backup(desktop, by_alice, go_round)
    engine.fails(task.pk, reason)
    go_round()
    assert state(task) == ("failed", reason)
    assert Desktop.objects.get().status == Status.STOPPED


def test_a_backup_without_some_files_keeps_desktop_and_files(desktop, by_alice, engine, go_round):
    task = delete_after_backup(desktop, by_alice, go_round)
    engine.succeeds(task.pk, files_unread=1)
    go_round()
    assert state(task) == ("succeeded", "files_unread")
    assert Desktop.objects.get().status == Status.STOPPED


def test_starting_the_desktop_cancels_its_deletion(desktop, by_alice, engine, go_round):
    task = delete_after_backup(desktop, by_alice, go_round)
    services.start_desktop(desktop=desktop, by=by_alice)
    engine.succeeds(task.pk)
    go_round()
    assert state(task) == ("succeeded", "desktop_started")
    assert Desktop.objects.get().status == Status.PENDING
    assert Backup.objects.count() == 1


@pytest.mark.parametrize(
    "request_restore",
    [
        lambda backup, by: requests.restore(backup=backup, by=by),
        lambda backup, by: requests.restore_paths(backup=backup, paths=["notes"], by=by),
    ],
)
def test_a_restore_meanwhile_cancels_the_deletion_of_the_desktop(
    desktop, by_alice, make_backup, engine, go_round, request_restore
):
    earlier = make_backup(desktop.volume)
    task = delete_after_backup(desktop, by_alice, go_round)
    request_restore(earlier, by_alice)
    engine.succeeds(task.pk)
    go_round()
    assert state(task) == ("succeeded", "files_in_use")
    assert Desktop.objects.get().status == Status.STOPPED


def test_starting_the_desktop_before_the_backup_cancels_both(desktop, by_alice, engine, go_round):
    task = requests.delete_after_backup(desktop=desktop, by=by_alice)
    services.start_desktop(desktop=desktop, by=by_alice)
    go_round()
    assert state(task) == ("failed", "desktop_started")


def test_deleting_the_desktop_meanwhile_is_no_failure_of_its_backup(desktop, by_alice, engine, go_round):
    task = delete_after_backup(desktop, by_alice, go_round)
    engine.succeeds(task.pk)
    Desktop.objects.all().delete()
    Volume.objects.update(kept_at=timezone.now())
    go_round()
    assert state(task) == ("succeeded", "")
    assert Volume.objects.get().kept_at  # what the person decided last


@pytest.mark.parametrize("row", ["row is there", "row is gone"])
def test_a_home_folder_deleted_under_a_task_ends_the_task(desktop, running, by_alice, engine, go_round, row):
    waiting = repositories.repository_of(desktop.volume).tasks.create(
        kind=KIND.BACKUP, trigger=TRIGGER.SCHEDULE, volume=desktop.volume
    )
    Desktop.objects.all().delete()
    if row == "row is gone":
        Volume.objects.all().delete()
    go_round()
    go_round()
    assert state(running) == state(waiting) == ("failed", "volume_gone")
    assert engine.there == {}


def test_a_disabled_account_has_its_tasks_cancelled_but_not_a_restore_that_runs(
    *, running, by_alice, make_backup, make_desktop, engine, go_round
):
    alice = by_alice.user
    other = make_desktop(alice, name="other")
    restore = requests.restore_paths(backup=make_backup(other.volume), paths=["a"], by=by_alice)
    go_round()
    waiting = requests.restore_paths(backup=make_backup(other.volume), paths=["a"], by=by_alice)
    alice.is_active = False
    alice.save()
    cancel_of_disabled()
    go_round()
    assert state(running) == state(waiting) == ("failed", "account_disabled")
    assert state(restore) == ("running", "")


def test_a_failure_is_an_error_in_the_log_once(desktop, by_alice, engine, go_round):
    with capture_logs() as logs:
        for reason in ("repository_full", "repository_full", "repository_unreachable"):
            requests.back_up_now(volume=desktop.volume, by=by_alice)
            go_round()
            engine.fails(engine.begun[-1].id, reason)
            go_round()
            go_round()
    told = [(line["reason"], line["log_level"]) for line in logs if line["event"] == "backup_task_failed"]
    assert told == [("repository_full", "error"), ("repository_full", "info"), ("repository_unreachable", "error")]
    assert BackupRepository.objects.get().failed_since < BackupTask.objects.latest("ended_at").ended_at


def test_two_leaders_never_run_two_tasks_of_one_repository(running, desktop):
    other = running.repository.tasks.create(kind=KIND.FORGET, trigger=TRIGGER.SCHEDULE)
    assert not rounds._start_one(other)
    assert state(other) == ("queued", "")


def test_the_number_of_queries_does_not_depend_on_the_number_of_repositories(
    make_desktop, alice, engine, django_assert_max_num_queries
):
    volumes = [
        Volume(owner=alice, object_name=f"home-{number}", desktop_name="d", storage_gib=1, kept_at=timezone.now())
        for number in range(300)
    ]
    Volume.objects.bulk_create(volumes)
    made = [BackupRepository(owner=alice, volume=volume, desktop_name="d", storage_gib=1) for volume in volumes]
    BackupRepository.objects.bulk_create(made)
    tasks = [BackupTask(repository=row, kind=KIND.BACKUP, trigger=TRIGGER.SCHEDULE, volume=row.volume) for row in made]
    BackupTask.objects.bulk_create(tasks)
    BackupTask.objects.filter(pk__in=[task.pk for task in tasks[:2]]).update(
        status=STATUS.RUNNING, started_at=timezone.now()
    )
    with django_assert_max_num_queries(20):
        rounds.compare()


def test_turning_backups_off_lets_desktops_start_again(
    desktop, by_alice, make_backup, backups_on, settings, scripted_runtime
):
    get_backup_engine.cache_clear()
    task = requests.restore(backup=make_backup(desktop.volume), by=by_alice)
    BackupTask.objects.filter(pk=task.after_id).update(status=STATUS.RUNNING, started_at=timezone.now())
    settings.BACKUP_REPOSITORY = ""
    rounds.compare()
    assert state(task) == ("failed", "cancelled")
    assert state(task.after) == ("running", "")  # it may still read the files
    services.start_desktop(desktop=desktop, by=by_alice)
    client().delete(key("backups", "off"))
    pass_time(task.after, settings.BACKUP_DEADLINE + 1)
    rounds.compare()
    assert state(task.after) == ("failed", "cancelled")
    get_backup_engine.cache_clear()


def test_a_backup_that_meets_damage_says_so(running, engine, go_round):
    engine.fails(running.pk, "repository_damaged")
    go_round()
    assert BackupRepository.objects.get().damaged_since
