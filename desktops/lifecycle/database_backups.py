"""What is known about backups of the database, for the metrics of the installation."""

from desktops.lifecycle import database_copies

DAILY_COPY = "daily_copy"
FAMILIES = {
    "podesk_database_backup_last_success_timestamp_seconds": (
        "Unix time of the last successful backup of the database, 0 if there is none.",
        ("kind",),
    ),
    "podesk_database_backup_failed": ("1 if the last backup of the database failed, else 0.", ("kind",)),
}


def samples() -> dict[str, dict[tuple[str, ...], float]]:
    """Return the values of each family."""
    times: dict[tuple[str, ...], float] = {}
    failed: dict[tuple[str, ...], float] = {}
    if database_copies.is_enabled():
        times[DAILY_COPY,], failed[DAILY_COPY,] = database_copies.last_success(), float(database_copies.daily.failed)
    return dict(zip(FAMILIES, (times, failed), strict=True))
