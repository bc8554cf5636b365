"""What people request of backups. Each is one transaction: check, queue a task, audit. The controller begins the tasks.

All of them lock the owner's row, as starts and launches do: of a start and a restore at the same time, one is refused.
"""

from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit
from accounts.audit import Actor, audited
from accounts.models import User
from desktops import quota
from desktops.exceptions import (
    BackupNotFound,
    BackupQuotaExceeded,
    BackupsOff,
    BeingDeleted,
    BeingRestored,
    DesktopNotFound,
    NothingToRestore,
    RestoreWhileRunning,
    VolumeInUse,
    VolumeLost,
)
from desktops.lifecycle import storage_history, volumes
from desktops.lifecycle.backups import before_delete, repositories
from desktops.lifecycle.desktop_name import clean_name
from desktops.lifecycle.restores import refuse_if_being_restored
from desktops.models import AT_REST, Backup, BackupRepository, BackupTask, Desktop, Status, Volume

_KIND, _STATUS, _TRIGGER = BackupTask.Kind, BackupTask.Status, BackupTask.Trigger


def available() -> bool:
    """Say whether this installation has a place for backups."""
    return bool(settings.BACKUP_REPOSITORY)


@audited("backup.request", target=lambda given: given["volume"].pk)
@transaction.atomic
def back_up_now(*, volume: Volume, by: Actor) -> BackupTask:
    """Queue a backup of a home folder. Returns the one that is queued or running already, if there is one.

    Raises BackupsOff, VolumeLost, BackupQuotaExceeded.
    """
    volume = _lock(volume)
    repository = _repository_with_room(volume)
    open_one = repository.tasks.filter(kind=_KIND.BACKUP, status__in=BackupTask.OPEN).order_by("created_at").first()
    if open_one:
        BackupTask.objects.filter(pk=open_one.pk, trigger=_TRIGGER.SCHEDULE).update(trigger=_TRIGGER.REQUEST)
        return open_one
    task = _queue(repository, by, kind=_KIND.BACKUP, trigger=_TRIGGER.REQUEST, volume=volume)
    audit.record("backup.request", by=by, target=volume.pk, name=repository.desktop_name)
    return task


@audited("backup.restore", target=lambda given: given["backup"].pk)
@transaction.atomic
def restore(*, backup: Backup, by: Actor) -> BackupTask:
    """Replace a home folder by a backup of it, after a backup of what is there now.

    No desktop can use the home folder until the restore has ended. Raises BackupsOff, NothingToRestore,
    RestoreWhileRunning, BeingRestored.
    """
    repository, volume = _lock_for_restore(backup)
    desktop = Desktop.objects.filter(volume=volume).first()
    if desktop and desktop.status not in AT_REST:
        raise RestoreWhileRunning
    refuse_if_being_restored(volume.pk)
    safety = _queue(repository, by, kind=_KIND.BACKUP, trigger=_TRIGGER.BEFORE_RESTORE, volume=volume)
    task = _queue_restore(backup, by, volume=volume, after=safety)
    audit.record("backup.restore", by=by, target=backup.pk, name=repository.desktop_name)
    return task


@audited("backup.restore_new", target=lambda given: given["backup"].pk)
@transaction.atomic
def restore_as_new(*, backup: Backup, name: str, by: Actor) -> BackupTask:
    """Restore a backup as new kept files of that name. Raises BackupsOff, NameInvalid, QuotaExceeded."""
    _refuse_if_off()
    owner = _lock_owner(backup.repository.owner_id)
    _refuse_deleted(backup)
    name, size = clean_name(name), backup.repository.storage_gib
    quota.refuse_if_over(owner, quota.QuotaUse(storage_gib=size, desktops=0))
    volume = volumes.create(owner, name, size)
    volume.kept_at = timezone.now()
    volume.save(update_fields=["kept_at"])
    storage_history.record(volume.pk)
    task = _queue_restore(backup, by, volume=volume)
    audit.record("backup.restore_new", by=by, target=backup.pk, name=name)
    return task


@audited("backup.restore_files", target=lambda given: given["backup"].pk)
@transaction.atomic
def restore_paths(*, backup: Backup, paths: list[str], by: Actor) -> BackupTask:
    """Restore some files and folders of a backup into a new folder of its home folder.

    The desktop may run. `paths` are relative to the home folder and percent-encoded. Raises BackupsOff,
    NothingToRestore, BeingRestored.
    """
    repository, volume = _lock_for_restore(backup)
    refuse_if_being_restored(volume.pk)
    folder = _("Restored %(date)s") % {"date": timezone.localtime().strftime("%Y-%m-%d %H.%M.%S")}
    task = _queue_restore(backup, by, volume=volume, folder=folder, paths=paths)
    audit.record("backup.restore_files", by=by, target=backup.pk, name=repository.desktop_name, files=len(paths))
    return task


@audited(
    "desktop.delete_after_backup",
    target=lambda given: given["desktop"].pk,
    more=lambda given: {"pod_name": given["desktop"].object_name, "name": given["desktop"].name},
)
@transaction.atomic
def delete_after_backup(*, desktop: Desktop, by: Actor) -> BackupTask:
    """Stop a desktop, back it up, then delete it and its files. If the backup fails, desktop and files remain.

    Starting the desktop again cancels the deletion. Raises BackupsOff, DesktopNotFound, BeingDeleted, BeingRestored,
    VolumeLost, BackupQuotaExceeded.
    """
    volume = _lock(desktop.volume)
    current = Desktop.objects.filter(pk=desktop.pk).first()
    if not current:
        raise DesktopNotFound
    if current.status == Status.DELETING:
        raise BeingDeleted
    refuse_if_being_restored(volume.pk)
    repository = _repository_with_room(volume)
    if waiting := before_delete.open_task(current):
        return waiting
    before_delete.stop(current, by)
    fields: dict[str, Any] = {"trigger": _TRIGGER.BEFORE_DELETE, "volume": volume, "run": current.run}
    task = _queue(repository, by, kind=_KIND.BACKUP, **fields)
    names = {"pod_name": current.object_name, "name": current.name}
    audit.record("desktop.delete_after_backup", by=by, target=current.pk, **names)
    return task


@audited("volume.delete_after_backup", target=lambda given: given["volume"].pk)
@transaction.atomic
def delete_files_after_backup(*, volume: Volume, by: Actor) -> BackupTask:
    """Back up kept files, then delete them. If the backup fails, they remain.

    Launching a desktop with them cancels the deletion. Raises BackupsOff, VolumeInUse, BeingRestored, VolumeLost,
    BackupQuotaExceeded.
    """
    volume = _lock(volume)
    if Desktop.objects.filter(volume=volume).exists():
        raise VolumeInUse
    refuse_if_being_restored(volume.pk)
    if waiting := before_delete.open_task_of_files(volume):
        return waiting
    repository = _repository_with_room(volume)
    task = _queue(repository, by, kind=_KIND.BACKUP, trigger=_TRIGGER.BEFORE_DELETE, volume=volume)
    audit.record("volume.delete_after_backup", by=by, target=volume.pk, name=repository.desktop_name)
    return task


@audited("backup.delete", target=lambda given: given["backup"].pk)
@transaction.atomic
def delete_backup(*, backup: Backup, by: Actor) -> None:
    """Delete one backup. Raises BackupsOff, BeingRestored."""
    _refuse_if_off()
    _lock_owner(backup.repository.owner_id)
    if backup.tasks.filter(status__in=BackupTask.OPEN).exists():
        raise BeingRestored
    if Backup.objects.filter(pk=backup.pk, deleted_at=None).update(deleted_at=timezone.now()):
        repositories.queue_removal(backup.repository, _TRIGGER.REQUEST)
        audit.record("backup.delete", by=by, target=backup.pk, name=backup.repository.desktop_name)


@audited("backup.delete_all", target=lambda given: given["repository"].pk)
@transaction.atomic
def delete_repository(*, repository: BackupRepository, by: Actor) -> None:
    """Delete all backups of a home folder. The home folder itself remains. Raises BackupsOff, BeingRestored."""
    _refuse_if_off()
    _lock_owner(repository.owner_id)
    if repository.tasks.filter(kind=_KIND.RESTORE, status__in=BackupTask.OPEN).exists():
        raise BeingRestored
    # Without its home folder, which gets another repository with its next backup.
    gone: dict[str, Any] = {"deleted_at": timezone.now(), "volume": None, "due_at": None}
    if BackupRepository.objects.filter(pk=repository.pk, deleted_at=None).update(**gone):
        for task in repository.tasks.filter(status=_STATUS.QUEUED):
            task.move(to=_STATUS.FAILED, reason="cancelled")
        repositories.queue_removal(repository, _TRIGGER.REQUEST)
        audit.record("backup.delete_all", by=by, target=repository.pk, name=repository.desktop_name)


def _refuse_if_off() -> None:
    if not available():
        raise BackupsOff


def _lock_owner(owner_id: Any) -> User:
    """Lock the owner's row until commit. Disabled accounts keep their backups, and administrators may restore them."""
    return User.objects.select_for_update().get(pk=owner_id)


def _lock(volume: Volume) -> Volume:
    """Lock the owner's row and read the home folder again. Raises BackupsOff, VolumeLost."""
    _refuse_if_off()
    _lock_owner(volume.owner_id)
    current = Volume.objects.filter(pk=volume.pk, lost_at=None).exclude(desktop=None, kept_at=None).first()
    if not current:
        raise VolumeLost
    return current


def _lock_for_restore(backup: Backup) -> tuple[BackupRepository, Volume]:
    """Lock the owner's row, and return the repository and home folder of a backup.

    Raises BackupsOff, NothingToRestore.
    """
    repository = BackupRepository.objects.select_related("volume").get(pk=backup.repository_id)
    if not repository.volume:
        _refuse_if_off()
        raise NothingToRestore
    try:
        volume = _lock(repository.volume)
    except VolumeLost:
        raise NothingToRestore
    _refuse_deleted(backup)
    return repository, volume


def _refuse_deleted(backup: Backup) -> None:
    if not Backup.objects.filter(pk=backup.pk, deleted_at=None, repository__deleted_at=None).exists():
        raise BackupNotFound


def _repository_with_room(volume: Volume) -> BackupRepository:
    repository = repositories.repository_of(volume)
    if repositories.is_full(volume.owner):
        raise BackupQuotaExceeded
    return repository


def _queue_restore(backup: Backup, by: Actor, **fields: Any) -> BackupTask:
    return _queue(backup.repository, by, kind=_KIND.RESTORE, trigger=_TRIGGER.REQUEST, backup=backup, **fields)


def _queue(repository: BackupRepository, by: Actor, **fields: Any) -> BackupTask:
    task = BackupTask.objects.create(repository=repository, requested_by=by.user, **fields)
    task.notify_owner()
    return task
