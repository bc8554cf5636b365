"""The repositories of home folders: created with the first backup, and limited by the owner's quota."""

from django.db.models import Sum

from accounts.models import User
from accounts.quotas import effective
from desktops.models import BackupRepository, BackupTask, Desktop, Volume

_GIB = 2**30


def repository_of(volume: Volume) -> BackupRepository:
    """Return the repository of a home folder, after creating its row if needed."""
    desktop = Desktop.objects.filter(volume=volume).first()
    known = {
        "owner_id": volume.owner_id,
        "desktop_name": desktop.name if desktop else volume.desktop_name,
        "storage_gib": volume.storage_gib,
    }
    return BackupRepository.objects.update_or_create(volume=volume, defaults=known)[0]


def is_full(owner: User) -> bool:
    """Say whether the backups of a person use all of their quota of backup storage."""
    limit = effective(owner).backup_storage_gib.value
    return bool(limit) and used_bytes(owner) >= limit * _GIB


def used_bytes(owner: User) -> int:
    """Return the size of a person's backups in the storage, without repositories that are being deleted."""
    return (
        BackupRepository.objects.filter(owner=owner, deleted_at=None).aggregate(total=Sum("size_bytes"))["total"] or 0
    )


def queue_removal(repository: BackupRepository, trigger: BackupTask.Trigger) -> None:
    """Queue the removal of old and deleted backups, unless it waits already."""
    kind, waiting = BackupTask.Kind.FORGET, BackupTask.Status.QUEUED
    if not repository.tasks.filter(kind=kind, status=waiting).exists():
        repository.tasks.create(kind=kind, trigger=trigger)
