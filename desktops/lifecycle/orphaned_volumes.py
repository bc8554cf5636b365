"""Compare home folders with rows. A folder without a row is reported, never deleted. A row without a folder is lost."""

from collections.abc import Iterable

import structlog
from django.utils import timezone

from core.redis import client, key
from desktops.lifecycle import volumes
from desktops.models import Volume
from desktops.runtimes import get_runtime
from desktops.runtimes.base import RuntimeFault, RuntimeUnknown

log = structlog.get_logger("podesk.orphans")
EVERY = 300  # seconds between two comparisons of all home folders; each needs one call to the cluster
_REPORTED = 20  # most names in one log line; `manage.py list_orphans` prints all


def unknown_volumes() -> list[str]:
    """Return the home folders that have no row. Raises RuntimeUnknown."""
    return _without_row(get_runtime().volumes())


def last_count() -> int | None:
    """Return how many the last comparison found, or None if it is too old. Raises redis.RedisError."""
    found = client().get(key("volumes-unknown"))
    return int(str(found)) if found is not None else None


def compare_volumes() -> None:
    """Check for lost home folders every few minutes, once for all controllers."""
    if not client().set(key("volumes-compared"), "1", nx=True, ex=EVERY):
        return
    began = timezone.now()
    try:
        found = get_runtime().volumes()
    except (RuntimeFault, RuntimeUnknown) as error:
        log.warning("volumes_not_compared", error=str(error))
        return
    volumes.compare(set(found), began)
    unknown = _without_row(found)
    client().set(key("volumes-unknown"), len(unknown), ex=2 * EVERY)
    _report_hourly(unknown)


def _without_row(found: Iterable[str]) -> list[str]:
    """Return the folders without a row.

    Rows are read after the list and created before folders, so a new launch is never included.
    """
    return sorted(set(found) - set(Volume.objects.values_list("object_name", flat=True)))


def _report_hourly(unknown: list[str]) -> None:
    if unknown and client().set(key("volumes-told"), "1", nx=True, ex=3600):
        log.warning("volumes_without_row", count=len(unknown), names=unknown[:_REPORTED])
