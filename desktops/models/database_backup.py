"""The runs of the part `backup`, which saves PostgreSQL outside the portal."""

from django.db import models
from django.utils import timezone


class DatabaseBackup(models.Model):
    """One run. It has failed if it has not succeeded an hour after its start."""

    started_at = models.DateTimeField(default=timezone.now, db_index=True)  # for the last one
    succeeded_at = models.DateTimeField(null=True, blank=True)
    size_bytes = models.PositiveBigIntegerField(default=0)  # of the dump

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M}"
