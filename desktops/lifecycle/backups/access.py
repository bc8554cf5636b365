"""Where the backups of a home folder are stored, and the password that opens them."""

import hashlib
import hmac

from django.conf import settings

from desktops.models import BackupRepository
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
