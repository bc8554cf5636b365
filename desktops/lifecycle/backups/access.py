"""Where the backups of a home folder are stored, and the password that opens them."""

import hashlib
import hmac

from django.conf import settings

from desktops.exceptions import BackupNotFound, BackupsUnreachable, DesktopRefusal
from desktops.models import Backup, BackupRepository, BackupTask
from desktops.runtimes.backups.base import RepositoryAccess


def access_to(repository: BackupRepository) -> RepositoryAccess:
    """Return how to open a repository. Its password opens no other one, and reveals nothing about BACKUP_KEY."""
    password = hmac.new(settings.BACKUP_KEY.encode(), str(repository.pk).encode(), hashlib.sha256).hexdigest()
    return RepositoryAccess(
        location=f"{settings.BACKUP_REPOSITORY}/homes/{repository.pk}",
        password=password,
        environment=dict(settings.BACKUP_ENVIRONMENT),
        used=repository.succeeded_at is not None,
    )


def read_failure(backup: Backup, error: Exception) -> DesktopRefusal:
    """Return what to tell a person whose backup could not be read.

    A removal of old backups deletes them from the storage a moment before their rows.
    """
    rows = Backup.objects.filter(pk=backup.pk, deleted_at=None, repository__deleted_at=None)
    removals = BackupTask.objects.filter(kind=BackupTask.Kind.FORGET, status__in=BackupTask.OPEN)
    if not rows.exists() or removals.filter(repository=backup.repository_id).exists():
        return BackupNotFound()
    return BackupsUnreachable(detail=str(error))
