"""Home folders that no row knows of: told to whoever runs the portal, and never deleted by it."""

import structlog

from core.redis import client, key
from desktops.models import Volume
from desktops.runtimes import get_runtime
from desktops.runtimes.base import RuntimeFault, RuntimeUnknown

log = structlog.get_logger("podesk.orphans")
_TOLD = 20  # names in one line of the log; `manage.py list_orphans` tells all


def lost_volumes() -> list[str]:
    """Raises RuntimeUnknown. Rows are read after the list, and come before their folders: a launch is none."""
    found = get_runtime().volumes()
    return sorted(set(found) - set(Volume.objects.values_list("object_name", flat=True)))


def tell_hourly() -> None:
    """Whichever controller leads. A cluster that does not say is asked again in an hour."""
    if not client().set(key("volumes-told"), "1", nx=True, ex=3600):
        return
    try:
        lost = lost_volumes()
    except (RuntimeFault, RuntimeUnknown) as error:
        log.warning("volumes_not_compared", error=str(error))
        return
    if lost:
        log.warning("volumes_without_row", count=len(lost), names=lost[:_TOLD])
