"""Tests of the deletion of kept files that backs them up first."""

import pytest
from django.utils import timezone

from accounts.models import AuditEvent
from desktops import services
from desktops.exceptions import BeingRestored, VolumeInUse
from desktops.lifecycle.backups import requests
from desktops.models import BackupTask, Desktop, Volume
from desktops.selectors.backups import kept_files


@pytest.fixture
def kept(make_desktop, alice) -> Volume:
    volume = make_desktop(alice).volume
    Desktop.objects.all().delete()
    Volume.objects.update(kept_at=timezone.now(), used_at=timezone.now())
    volume.refresh_from_db()
    return volume


def state(task: BackupTask) -> tuple[str, str]:
    task.refresh_from_db()
    return task.status, task.reason


def note_on(volume: Volume) -> tuple[str, str] | None:
    """Return what the page says about the deletion of kept files: status and reason of its backup."""
    (shown,) = kept_files([Volume.objects.get(pk=volume.pk)])
    return shown.deletion and (shown.deletion.status, shown.deletion.reason)


def is_kept(volume: Volume) -> bool:
    return Volume.objects.get(pk=volume.pk).kept_at is not None


@pytest.fixture
def running(kept, by_alice, engine, go_round) -> BackupTask:
    task = requests.delete_files_after_backup(volume=kept, by=by_alice)
    go_round()
    assert [begun.id for begun in engine.begun] == [str(task.pk)]
    return task


def test_files_are_deleted_when_the_backup_has_succeeded(kept, running, by_alice, engine, go_round, queued):
    assert (is_kept(kept), note_on(kept)) == (True, ("running", ""))
    engine.succeeds(running.pk)
    go_round()
    assert not is_kept(kept)
    assert ("delete_volume", str(kept.pk)) in queued()
    event = AuditEvent.objects.get(action="volume.delete")
    assert (event.actor, event.target, event.details["after_backup"]) == (by_alice.user, str(kept.pk), True)


def test_two_requests_are_one_task(kept, running, by_alice):
    assert requests.delete_files_after_backup(volume=kept, by=by_alice) == running
    assert AuditEvent.objects.filter(action="volume.delete_after_backup").count() == 1


def test_a_failed_backup_keeps_the_files_and_says_why(kept, running, engine, go_round, queued):
    engine.fails(running.pk, "repository_full")
    go_round()
    assert (is_kept(kept), note_on(kept)) == (True, ("failed", "repository_full"))
    assert ("delete_volume", str(kept.pk)) not in queued()


def test_a_backup_without_some_files_keeps_all(kept, running, engine, go_round):
    engine.succeeds(running.pk, files_unread=1)
    go_round()
    assert (is_kept(kept), note_on(kept)) == (True, ("succeeded", "files_unread"))


@pytest.fixture
def launch_again(kept, by_alice, image, small):
    """Return a function that launches a desktop with the kept files."""
    return lambda: services.launch_desktop(by=by_alice, wanted=services.LaunchRequest(image, small, "again", kept))


def test_a_launch_during_the_backup_cancels_the_deletion(kept, running, launch_again, engine, go_round):
    launch_again()
    engine.succeeds(running.pk)
    go_round()
    assert state(running) == ("succeeded", "files_in_use")
    assert Desktop.objects.get().volume == kept


def test_a_launch_before_the_backup_cancels_both(kept, by_alice, launch_again, engine, go_round):
    task = requests.delete_files_after_backup(volume=kept, by=by_alice)
    launch_again()
    go_round()
    assert (state(task), engine.begun) == (("failed", "files_in_use"), [])


def test_files_used_since_and_kept_again_are_not_deleted(kept, running, engine, go_round):
    Volume.objects.update(kept_at=timezone.now())
    engine.succeeds(running.pk)
    go_round()
    assert (is_kept(kept), state(running)) == (True, ("succeeded", "files_in_use"))
    assert note_on(kept) is None  # it was about the files as they were


def test_a_restore_into_the_files_cancels_the_deletion(kept, running, by_alice, make_backup, engine, go_round):
    requests.restore_paths(backup=make_backup(kept), paths=["notes"], by=by_alice)
    engine.succeeds(running.pk)
    go_round()
    assert (is_kept(kept), state(running)) == (True, ("succeeded", "files_in_use"))


def test_files_that_are_being_restored_are_refused(kept, by_alice, make_backup, backups_on):
    requests.restore(backup=make_backup(kept), by=by_alice)
    with pytest.raises(BeingRestored):
        requests.delete_files_after_backup(volume=kept, by=by_alice)


def test_files_of_a_desktop_are_refused(make_desktop, alice, by_alice, backups_on):
    with pytest.raises(VolumeInUse):
        requests.delete_files_after_backup(volume=make_desktop(alice).volume, by=by_alice)
