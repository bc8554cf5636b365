"""Tests of the backup before kept files are deleted at their end."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.audit import Actor
from accounts.models import AuditEvent, BackupPolicy, Quota
from desktops.lifecycle import kept_files
from desktops.lifecycle.backups import repositories
from desktops.models import BackupRepository, BackupTask, Desktop, Volume
from desktops.selectors.backups import kept_files as shown_files

HOUR = timedelta(hours=1)


@pytest.fixture
def expired(make_desktop, alice, engine, settings) -> Volume:
    """Return alice's kept files whose end has come. Her policy backs up each day."""
    settings.KEPT_FILES_DAYS = 30
    Quota.objects.create(user=alice, backups=BackupPolicy.DAILY)
    volume = make_desktop(alice).volume
    Desktop.objects.all().delete()
    Volume.objects.update(kept_at=timezone.now() - 999 * HOUR, expires_at=timezone.now() - HOUR)
    return Volume.objects.get(pk=volume.pk)


@pytest.fixture
def task(expired, go_round) -> BackupTask:
    """Return the backup that the end of the files has begun."""
    kept_files.compare()
    go_round()
    return BackupTask.objects.get()


def is_kept(volume: Volume) -> bool:
    return Volume.objects.get(pk=volume.pk).kept_at is not None


def note_on(volume: Volume) -> tuple[str, str] | None:
    (shown,) = shown_files([Volume.objects.get(pk=volume.pk)])
    return shown.deletion and (shown.deletion.status, shown.deletion.reason)


def test_the_deletion_waits_for_the_backup(expired, task, engine, go_round, queued):
    assert (task.trigger, task.run, task.requested_by, task.status) == ("before_delete", None, None, "running")
    kept_files.compare()
    assert (BackupTask.objects.count(), is_kept(expired)) == (1, True)
    engine.succeeds(task.pk)
    go_round()
    assert not is_kept(expired)
    assert ("delete_volume", str(expired.pk)) in queued()
    event = AuditEvent.objects.get(action="volume.delete")
    assert (event.actor, event.details["after_backup"]) == (None, True)


def test_a_failed_backup_keeps_the_files_says_why_and_is_repeated_a_day_later(expired, task, engine, go_round):
    engine.fails(task.pk, "repository_full")
    go_round()
    kept_files.compare()
    assert (is_kept(expired), note_on(expired)) == (True, ("failed", "repository_full"))
    assert BackupTask.objects.count() == 1
    BackupTask.objects.update(created_at=timezone.now() - 25 * HOUR)
    kept_files.compare()
    assert (is_kept(expired), note_on(expired)) == (True, ("queued", ""))


def test_a_full_quota_of_backups_keeps_the_files_and_says_why(expired, alice, go_round):
    Quota.objects.update(backup_storage_gib=1)
    repository = repositories.repository_of(expired)
    BackupRepository.objects.filter(pk=repository.pk).update(size_bytes=2**30)
    kept_files.compare()
    go_round()
    assert (is_kept(expired), note_on(expired)) == (True, ("failed", "quota_exceeded"))


def test_postponing_during_the_backup_keeps_the_files(expired, task, alice, engine, go_round):
    kept_files.postpone(volume=expired, by=Actor(alice))
    engine.succeeds(task.pk)
    go_round()
    assert (is_kept(expired), note_on(expired)) == (True, None)


def test_turning_it_off_cancels_a_backup_that_waits(expired, settings, engine, go_round):
    kept_files.compare()
    settings.KEPT_FILES_DAYS = 0
    go_round()
    assert (engine.begun, is_kept(expired), note_on(expired)) == ([], True, None)


def test_turning_it_off_during_the_backup_keeps_the_files(expired, task, settings, engine, go_round):
    settings.KEPT_FILES_DAYS = 0
    engine.succeeds(task.pk)
    go_round()
    assert is_kept(expired)


@pytest.mark.parametrize("without", ["policy", "repository"])
def test_without_backups_the_files_are_deleted_at_once(expired, without, settings):
    if without == "policy":
        Quota.objects.update(backups=BackupPolicy.NEVER)
    else:
        settings.BACKUP_REPOSITORY = ""
    kept_files.compare()
    assert (is_kept(expired), BackupTask.objects.exists()) == (False, False)
