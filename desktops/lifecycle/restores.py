"""Find out whether a home folder is being replaced by a backup. No desktop may use it meanwhile."""

from uuid import UUID

from desktops.exceptions import BeingRestored
from desktops.models import BackupTask


def is_being_restored(volume_id: UUID) -> bool:
    """Say whether a restore of the whole home folder waits or runs.

    To decide on it, hold the lock of the owner's row: `start_desktop`, `launch` and `requests` take it.
    """
    whole = BackupTask.objects.filter(kind=BackupTask.Kind.RESTORE, status__in=BackupTask.OPEN, folder="")
    return whole.filter(volume_id=volume_id).exists()


def refuse_if_being_restored(volume_id: UUID) -> None:
    """Raise BeingRestored while a restore of the whole home folder waits or runs."""
    if is_being_restored(volume_id):
        raise BeingRestored
