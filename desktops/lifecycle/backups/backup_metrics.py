"""What the installation's metrics say about backups of home folders, with two queries."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Max, Min, Q, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from desktops.models import BackupRepository, BackupTask

Values = dict[tuple[str, ...], float]
UNVERIFIED = timedelta(days=15)  # two verifications and a day
FAMILIES = {
    "podesk_backup_repositories": ("Home folders with backups.", ("state",)),
    "podesk_backup_last_success_timestamp_seconds": ("Unix time of the last successful backup.", ()),
    "podesk_backup_oldest_saved_timestamp_seconds": (
        "Unix time until which the changes in all home folders with scheduled backups are saved.",
        (),
    ),
    "podesk_backup_stored_bytes": ("Size of all backups in the storage.", ()),
    "podesk_backup_open_tasks": ("Backups, restores and other tasks of backups.", ("status",)),
}


def samples() -> dict[str, Values]:
    """Return the values of each family. Without a place for backups, there are none."""
    if not settings.BACKUP_REPOSITORY:
        return {}
    found = repository_counts()
    states = ("scheduled", "failing", "damaged", "unverified")
    open_tasks: Values = {(status,): 0 for status in BackupTask.OPEN}
    counted = BackupTask.objects.filter(status__in=BackupTask.OPEN).order_by().values_list("status")
    open_tasks |= {(status,): count for status, count in counted.annotate(Count("pk"))}
    return {
        "podesk_backup_repositories": {(state,): found[state] for state in states},
        "podesk_backup_last_success_timestamp_seconds": _time(found["last"]),
        "podesk_backup_oldest_saved_timestamp_seconds": _time(found["oldest"]),
        "podesk_backup_stored_bytes": {(): found["bytes"] or 0},
        "podesk_backup_open_tasks": open_tasks,
    }


def repository_counts() -> dict[str, Any]:
    """Return how many repositories are in each state, and ages and sizes, with one query."""
    scheduled = Q(due_at__isnull=False)
    failing = Q(failed_since__isnull=False, deleted_at=None) & ~Q(reason="quota_exceeded")  # its owner can mend that
    long_ago = timezone.now() - UNVERIFIED
    unverified = Q(succeeded_at__isnull=False, deleted_at=None, verified_since__lt=long_ago)
    known = BackupRepository.objects.annotate(verified_since=Coalesce("checked_at", "created_at"))
    return known.aggregate(
        scheduled=Count("pk", filter=scheduled),
        failing=Count("pk", filter=failing),
        damaged=Count("pk", filter=Q(damaged_since__isnull=False, deleted_at=None)),
        unverified=Count("pk", filter=unverified),
        last=Max("succeeded_at"),
        oldest=Min(Coalesce("saved_until", "created_at"), filter=scheduled),
        bytes=Sum("size_bytes"),
    )


def _time(at: datetime | None) -> Values:
    return {(): at.timestamp()} if at else {}
