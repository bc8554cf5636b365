"""Delete a desktop, or kept files, once the home folder is backed up.

The desktop is stopped first, so that the backup contains its last work. Starting it again cancels the deletion.
So does launching a desktop with the kept files, or a restore of them.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.audit import Actor, Stranger
from accounts.disconnects import Disconnect, disconnect_after_commit
from accounts.models import User
from desktops.exceptions import WrongStatus
from desktops.lifecycle import jobs
from desktops.lifecycle.backups import repositories
from desktops.lifecycle.queue import enqueue_after_commit
from desktops.models import AT_REST, BackupTask, Desktop, Status, Volume

_RETRY = timedelta(days=1)  # until the backup of files whose end has come is tried again


def open_task(desktop: Desktop) -> BackupTask | None:
    """Return the backup that waits or runs before the deletion of a desktop."""
    waiting = BackupTask.objects.filter(trigger=BackupTask.Trigger.BEFORE_DELETE, status__in=BackupTask.OPEN)
    return waiting.filter(volume_id=desktop.volume_id, run=desktop.run).first()


def open_task_of_files(volume: Volume) -> BackupTask | None:
    """Return the backup that waits or runs before the deletion of kept files."""
    waiting = BackupTask.objects.filter(trigger=BackupTask.Trigger.BEFORE_DELETE, status__in=BackupTask.OPEN)
    return waiting.filter(volume=volume, run=None).first()


def stop(desktop: Desktop, by: Actor) -> None:
    """Stop a desktop that is not at rest. A restart that has not yet started it again is cancelled."""
    if desktop.status in AT_REST:
        return
    reason = "by_owner" if by.user.pk == desktop.owner_id else "by_admin"
    if desktop.status == Status.STOPPING:
        Desktop.objects.filter(pk=desktop.pk, status=Status.STOPPING).update(restarting=False, reason=reason)
    elif not desktop.move(to=Status.STOPPING, by=by.user.get_username(), reason=reason, restarting=False):
        raise WrongStatus
    _order_stop(desktop, "stopped")


@transaction.atomic
def delete(task: BackupTask) -> bool:
    """Delete the desktop of a backup that has succeeded, with its files.

    Returns False without a change if it was started or deleted, or a restore was requested, since the request.
    """
    if task.volume_id is None or task.run is None:
        return False
    User.objects.select_for_update().get(pk=task.repository.owner_id)  # requests of restores take this lock, too
    if is_restore_open(task.volume_id):
        return False
    desktop = Desktop.objects.filter(volume_id=task.volume_id, run=task.run, status__in=AT_REST).first()
    user = task.requested_by
    by = user.get_username() if user else ""
    if not desktop or not desktop.move(to=Status.DELETING, by=by, keep_data=False, restarting=False):
        return False
    _order_stop(desktop, "deleted")
    names: dict[str, Any] = {"pod_name": desktop.object_name, "name": desktop.name}
    actor = Actor(user) if user else Stranger()
    audit.record("desktop.delete", by=actor, target=desktop.pk, keep_data=False, after_backup=True, **names)
    return True


def back_up_expired(volume: Volume) -> None:
    """Queue the backup before the deletion of files whose end has come. One that did not lead to it is repeated."""
    tasks = BackupTask.objects.filter(trigger=BackupTask.Trigger.BEFORE_DELETE, run=None, volume=volume)
    if tasks.filter(created_at__gte=timezone.now() - _RETRY).filter(created_at__gte=volume.kept_at).exists():
        return
    repository, kind = repositories.repository_of(volume), BackupTask.Kind.BACKUP
    task = BackupTask.objects.create(
        repository=repository, kind=kind, trigger=BackupTask.Trigger.BEFORE_DELETE, volume=volume
    )
    task.notify_owner()
    audit.record("volume.delete_after_backup", by=None, target=volume.pk, expired=True, name=repository.desktop_name)


@transaction.atomic
def delete_files(task: BackupTask) -> bool:
    """Delete the kept files of a backup that has succeeded.

    Returns False without a change if they were used, deleted or are being restored since the request, or if the
    portal requested it and their end was postponed.
    """
    if task.volume_id is None:
        return False
    owner = User.objects.select_for_update().get(pk=task.repository.owner_id)  # requests of restores take this, too
    kept = Volume.objects.filter(pk=task.volume_id, kept_at__lte=task.created_at)  # null if a desktop uses them
    if not task.requested_by_id:  # the files have expired; without joins, so that the update checks the row itself
        may_expire = settings.KEPT_FILES_DAYS and owner.is_active
        kept = kept.filter(expires_at__lte=timezone.now()) if may_expire else kept.none()
    if is_restore_open(task.volume_id) or not kept.update(**Volume.NOT_KEPT):
        return False
    enqueue_after_commit(jobs.delete_volume, task.volume_id)
    actor, name = Actor(task.requested_by) if task.requested_by else None, task.repository.desktop_name
    audit.record("volume.delete", by=actor, target=task.volume_id, name=name, after_backup=True)
    return True


def is_restore_open(volume_id: UUID) -> bool:
    """Say whether a restore of all or some files waits or runs. The person wants them, so nothing may be deleted."""
    to_restore = BackupTask.objects.filter(kind=BackupTask.Kind.RESTORE, status__in=BackupTask.OPEN)
    return to_restore.filter(volume_id=volume_id).exists()


def _order_stop(desktop: Desktop, reason: str) -> None:
    enqueue_after_commit(jobs.stop_desktop, desktop.pk)
    disconnect_after_commit(Disconnect("desktop", str(desktop.pk), reason))
