"""What people request of backups: what is queued, what is refused, and what the audit trail says."""

import pytest
from django.utils import timezone

from accounts import user_services
from accounts.audit import Actor
from accounts.models import AuditEvent, Quota
from accounts.user_services import StillOwns
from desktops import services
from desktops.exceptions import (
    BackupQuotaExceeded,
    BackupsOff,
    BeingDeleted,
    BeingRestored,
    DesktopNotFound,
    NameInvalid,
    NothingToRestore,
    QuotaExceeded,
    RestoreWhileRunning,
    VolumeLost,
)
from desktops.lifecycle.backups import repositories, requests
from desktops.models import AT_REST, BackupRepository, BackupTask, Desktop, Status, Volume
from desktops.services import LaunchRequest

pytestmark = pytest.mark.usefixtures("backups_on")
KIND, TRIGGER = BackupTask.Kind, BackupTask.Trigger


@pytest.fixture
def desktop(make_desktop, alice) -> Desktop:
    return make_desktop(alice)


def set_status(desktop: Desktop, status: str) -> None:
    Desktop.objects.filter(pk=desktop.pk).update(status=status)


def tasks() -> list[tuple[str, str, str]]:
    return list(BackupTask.objects.order_by("created_at").values_list("kind", "trigger", "status"))


def test_back_up_now_queues_one_backup_also_after_two_clicks(desktop, by_alice, alice):
    first = requests.back_up_now(volume=desktop.volume, by=by_alice)
    second = requests.back_up_now(volume=desktop.volume, by=by_alice)
    assert first == second
    assert tasks() == [("backup", "request", "queued")]
    assert (first.repository.owner, first.volume, first.requested_by) == (alice, desktop.volume, alice)
    event = AuditEvent.objects.get()
    assert (event.action, event.target, event.actor) == ("backup.request", str(desktop.volume.pk), alice)


def test_back_up_now_takes_over_a_scheduled_backup_that_waits(desktop, by_alice):
    repository = repositories.repository_of(desktop.volume)
    repository.tasks.create(kind=KIND.BACKUP, trigger=TRIGGER.SCHEDULE, volume=desktop.volume)
    requests.back_up_now(volume=desktop.volume, by=by_alice)
    assert tasks() == [("backup", "request", "queued")]


def test_everything_is_refused_without_a_place_for_backups(desktop, by_alice, make_backup, settings):
    backup = make_backup(desktop.volume)
    settings.BACKUP_REPOSITORY = ""
    assert not requests.available()
    calls = [
        lambda: requests.back_up_now(volume=desktop.volume, by=by_alice),
        lambda: requests.restore(backup=backup, by=by_alice),
        lambda: requests.restore_as_new(backup=backup, name="old", by=by_alice),
        lambda: requests.restore_paths(backup=backup, paths=["a"], by=by_alice),
        lambda: requests.delete_after_backup(desktop=desktop, by=by_alice),
        lambda: requests.delete_backup(backup=backup, by=by_alice),
        lambda: requests.delete_repository(repository=backup.repository, by=by_alice),
    ]
    for call in calls:
        with pytest.raises(BackupsOff):
            call()
    assert not tasks()
    assert set(AuditEvent.objects.values_list("result", flat=True)) == {"backups_off"}


def test_a_lost_or_deleted_home_folder_cannot_be_backed_up(desktop, by_alice):
    Volume.objects.update(lost_at=timezone.now())
    with pytest.raises(VolumeLost):
        requests.back_up_now(volume=desktop.volume, by=by_alice)
    Volume.objects.update(lost_at=None)
    Desktop.objects.all().delete()
    with pytest.raises(VolumeLost):
        requests.back_up_now(volume=desktop.volume, by=by_alice)


def test_quota_of_backup_storage_is_checked_before_a_backup(desktop, by_alice, alice):
    Quota.objects.create(user=alice, backup_storage_gib=1)
    repository = repositories.repository_of(desktop.volume)
    BackupRepository.objects.filter(pk=repository.pk).update(size_bytes=2**30 - 1)
    requests.back_up_now(volume=desktop.volume, by=by_alice)
    BackupTask.objects.all().delete()
    BackupRepository.objects.filter(pk=repository.pk).update(size_bytes=2**30)
    with pytest.raises(BackupQuotaExceeded):
        requests.back_up_now(volume=desktop.volume, by=by_alice)
    with pytest.raises(BackupQuotaExceeded):
        requests.delete_after_backup(desktop=desktop, by=by_alice)
    Quota.objects.filter(user=alice).update(backup_storage_gib=0)  # no limit
    requests.back_up_now(volume=desktop.volume, by=by_alice)


def test_restore_follows_a_backup_of_what_is_there(desktop, by_alice, make_backup):
    task = requests.restore(backup=make_backup(desktop.volume), by=by_alice)
    assert tasks() == [("backup", "before_restore", "queued"), ("restore", "request", "queued")]
    assert (task.volume, task.folder, task.paths) == (desktop.volume, "", [])
    assert task.after.trigger == TRIGGER.BEFORE_RESTORE


@pytest.mark.parametrize("status", Status.values)
def test_restore_needs_a_desktop_at_rest(desktop, by_alice, make_backup, status):
    backup = make_backup(desktop.volume)
    set_status(desktop, status)
    if status in AT_REST:
        requests.restore(backup=backup, by=by_alice)
        return
    with pytest.raises(RestoreWhileRunning):
        requests.restore(backup=backup, by=by_alice)
    assert not tasks()
    assert AuditEvent.objects.get().result == "restore_while_running"


def test_no_desktop_uses_a_home_folder_that_is_being_restored(desktop, by_alice, make_backup, image, small):
    backup = make_backup(desktop.volume)
    task = requests.restore(backup=backup, by=by_alice)
    for status in BackupTask.OPEN:
        BackupTask.objects.filter(pk=task.pk).update(status=status)
        with pytest.raises(BeingRestored):
            services.start_desktop(desktop=desktop, by=by_alice)
        with pytest.raises(BeingRestored):
            services.launch_desktop(by=by_alice, wanted=LaunchRequest(image, small))
        with pytest.raises(BeingRestored):
            requests.restore(backup=backup, by=by_alice)
        with pytest.raises(BeingRestored):
            requests.restore_paths(backup=backup, paths=["a"], by=by_alice)
        with pytest.raises(BeingRestored):
            requests.delete_after_backup(desktop=desktop, by=by_alice)
    BackupTask.objects.update(status=BackupTask.Status.FAILED)
    services.start_desktop(desktop=desktop, by=by_alice)


def test_kept_files_cannot_be_used_while_they_are_being_restored(desktop, by_alice, make_backup, image, small):
    volume = desktop.volume
    Desktop.objects.all().delete()
    Volume.objects.update(kept_at=timezone.now())
    requests.restore(backup=make_backup(volume), by=by_alice)
    with pytest.raises(BeingRestored):
        services.launch_desktop(by=by_alice, wanted=LaunchRequest(image, small, volume=volume))


def test_a_restore_of_some_files_lets_the_desktop_start(desktop, by_alice, make_backup):
    task = requests.restore_paths(backup=make_backup(desktop.volume), paths=["Documents/a%20b"], by=by_alice)
    assert task.folder.startswith("Restored 20")
    assert (task.paths, task.after) == (["Documents/a%20b"], None)
    services.start_desktop(desktop=desktop, by=by_alice)


def test_a_backup_without_its_home_folder_can_only_become_new_files(desktop, by_alice, make_backup, alice):
    backup = make_backup(desktop.volume)
    Volume.objects.update(lost_at=timezone.now())
    Quota.objects.create(user=alice, storage_gib=10)
    with pytest.raises(NothingToRestore):
        requests.restore(backup=backup, by=by_alice)
    Desktop.objects.all().delete()
    Volume.objects.all().delete()
    backup.repository.refresh_from_db()
    with pytest.raises(NothingToRestore):
        requests.restore_paths(backup=backup, paths=["a"], by=by_alice)
    task = requests.restore_as_new(backup=backup, name="saved", by=by_alice)
    assert (task.volume.desktop_name, task.volume.owner, task.volume.storage_gib) == ("saved", alice, 5)
    assert task.volume.kept_at
    assert task.volume.used_at is None


def test_new_files_need_storage_quota_and_a_name(desktop, by_alice, make_backup, alice):
    Quota.objects.create(user=alice, storage_gib=9)
    backup = make_backup(desktop.volume)
    with pytest.raises(QuotaExceeded):
        requests.restore_as_new(backup=backup, name="saved", by=by_alice)
    with pytest.raises(NameInvalid):
        requests.restore_as_new(backup=backup, name=" ", by=by_alice)
    assert Volume.objects.count() == 1


def test_new_files_cannot_be_used_until_they_are_restored(desktop, by_alice, make_backup, alice, image, small):
    Quota.objects.create(user=alice, desktops=5)
    task = requests.restore_as_new(backup=make_backup(desktop.volume), name="saved", by=by_alice)
    with pytest.raises(BeingRestored):
        services.launch_desktop(by=by_alice, wanted=LaunchRequest(image, small, name="saved", volume=task.volume))


@pytest.mark.parametrize("status", [status for status in Status.values if status != Status.DELETING])
def test_delete_after_backup_stops_the_desktop_and_keeps_it(desktop, by_alice, alice, status):
    set_status(desktop, status)
    task = requests.delete_after_backup(desktop=desktop, by=by_alice)
    assert requests.delete_after_backup(desktop=desktop, by=by_alice) == task
    desktop.refresh_from_db()
    assert desktop.status == (status if status in AT_REST else Status.STOPPING)
    assert (task.trigger, task.run, task.volume) == (TRIGGER.BEFORE_DELETE, desktop.run, desktop.volume)
    assert AuditEvent.objects.get().action == "desktop.delete_after_backup"


def test_delete_after_backup_ends_a_restart(desktop, by_alice):
    Desktop.objects.update(status=Status.STOPPING, restarting=True)
    requests.delete_after_backup(desktop=desktop, by=by_alice)
    assert not Desktop.objects.get().restarting


def test_a_desktop_that_is_being_deleted_or_gone_is_not_deleted_again(desktop, by_alice):
    set_status(desktop, Status.DELETING)
    with pytest.raises(BeingDeleted):
        requests.delete_after_backup(desktop=desktop, by=by_alice)
    Volume.objects.update(kept_at=timezone.now())
    Desktop.objects.all().delete()
    with pytest.raises(DesktopNotFound):
        requests.delete_after_backup(desktop=desktop, by=by_alice)


def test_a_deleted_backup_disappears_with_the_next_removal(desktop, by_alice, make_backup):
    backups = [make_backup(desktop.volume) for _ in range(2)]
    for backup in backups:
        requests.delete_backup(backup=backup, by=by_alice)
        backup.refresh_from_db()
        assert backup.deleted_at
        with pytest.raises(DesktopNotFound):
            requests.restore(backup=backup, by=by_alice)
    assert tasks() == [("forget", "request", "queued")]


def test_a_backup_that_is_being_restored_cannot_be_deleted(desktop, by_alice, make_backup):
    backup = make_backup(desktop.volume)
    requests.restore(backup=backup, by=by_alice)
    with pytest.raises(BeingRestored):
        requests.delete_backup(backup=backup, by=by_alice)
    with pytest.raises(BeingRestored):
        requests.delete_repository(repository=backup.repository, by=by_alice)


def test_deleting_all_backups_leaves_the_home_folder_which_gets_a_new_repository(desktop, by_alice, make_backup):
    repository = make_backup(desktop.volume).repository
    waiting = requests.back_up_now(volume=desktop.volume, by=by_alice)
    requests.delete_repository(repository=repository, by=by_alice)
    requests.delete_repository(repository=repository, by=by_alice)
    waiting.refresh_from_db()
    assert (waiting.status, waiting.reason) == ("failed", "cancelled")
    assert tasks()[1:] == [("forget", "request", "queued")]
    assert requests.back_up_now(volume=desktop.volume, by=by_alice).repository != repository


def test_deleted_backups_no_longer_use_the_quota(desktop, by_alice, alice, make_backup):
    Quota.objects.create(user=alice, backup_storage_gib=1)
    repository = make_backup(desktop.volume).repository
    BackupRepository.objects.filter(pk=repository.pk).update(size_bytes=2**30)
    with pytest.raises(BackupQuotaExceeded):
        requests.back_up_now(volume=desktop.volume, by=by_alice)
    requests.delete_repository(repository=repository, by=by_alice)
    requests.back_up_now(volume=desktop.volume, by=by_alice)


def test_an_account_with_backups_cannot_be_deleted(desktop, alice, admin, make_backup):
    make_backup(desktop.volume)
    Desktop.objects.all().delete()
    Volume.objects.all().delete()
    with pytest.raises(StillOwns):
        user_services.delete_user(user=alice, by=Actor(admin))
    BackupRepository.objects.all().delete()
    user_services.delete_user(user=alice, by=Actor(admin))
