"""What is known about backups of the database, for the metrics of the installation.

The part `backup` for PostgreSQL records its runs here: nothing can scrape a job that ends.
"""

from datetime import timedelta

from django.utils import timezone

from desktops.lifecycle import database_copies
from desktops.models import DatabaseBackup

DAILY_COPY, REPOSITORY = "daily_copy", "repository"
LONGEST = timedelta(hours=1)  # of a run; the CronJob ends it then
KEPT = timedelta(days=90)  # rows of runs
FAMILIES = {
    "podesk_database_backup_last_success_timestamp_seconds": (
        "Unix time of the last successful backup of the database, 0 if there is none.",
        ("kind",),
    ),
    "podesk_database_backup_failed": ("1 if the last backup of the database failed, else 0.", ("kind",)),
    "podesk_database_backup_bytes": ("Size of the last successful dump or copy.", ("kind",)),
}
Values = dict[tuple[str, ...], float]


def record_start() -> None:
    """Record that a run starts, and forget old ones."""
    DatabaseBackup.objects.filter(started_at__lt=timezone.now() - KEPT).delete()
    DatabaseBackup.objects.create()


def record_success(size: int) -> None:
    """Record that the last run to start has succeeded. The CronJob allows one at a time."""
    last = DatabaseBackup.objects.latest("started_at")
    DatabaseBackup.objects.filter(pk=last.pk).update(succeeded_at=timezone.now(), size_bytes=size)


def samples() -> dict[str, Values]:
    """Return the values of each family, with one query."""
    found: list[Values] = [{}, {}, {}]
    for kind, values in ((DAILY_COPY, _daily_copy()), (REPOSITORY, _repository())):
        for family, value in zip(found, values, strict=False):
            family[kind,] = value
    return dict(zip(FAMILIES, found, strict=True))


def _daily_copy() -> tuple[float, ...]:
    if not database_copies.is_enabled():
        return ()
    return (database_copies.last_success(), float(database_copies.daily.failed), database_copies.last_size())


def _repository() -> tuple[float, ...]:
    """Return nothing before the first run, because the part may not be in use."""
    rows = list(DatabaseBackup.objects.order_by("-started_at"))  # one a day, of 90 days
    if not rows:
        return ()
    good = next((row for row in rows if row.succeeded_at), None)
    failed = not rows[0].succeeded_at and rows[0].started_at < timezone.now() - LONGEST
    if good is None or good.succeeded_at is None:
        return (0.0, float(failed))
    return (good.succeeded_at.timestamp(), float(failed), good.size_bytes)
