"""Write down what happens to a running desktop: on its row, in its timeline and in the log."""

from collections.abc import Iterable

import structlog

from desktops.lifecycle import reachability
from desktops.models import Desktop, DesktopEvent, Status

log = structlog.get_logger("podesk.reconcile")
INCOMPLETE = ("parts_missing", "parts_lost")


def set_reason(desktop: Desktop, reason: str) -> None:
    """Set the reason of a running desktop; an empty one clears it."""
    if Desktop.objects.filter(pk=desktop.pk, run=desktop.run, status=Status.RUNNING).update(reason=reason):
        log.info("desktop_reason_changed", reason=reason)
        desktop.notify_owner()


def is_over(desktop: Desktop) -> bool:
    """Return whether its reason ends now that nothing is missing and no viewer reports otherwise."""
    return desktop.reason in (*INCOMPLETE, "unreachable") and not reachability.is_reported(desktop.pk)


def missing(desktop: Desktop, kinds: Iterable[str]) -> None:
    """Write down which kinds of objects are missing."""
    log.warning("parts_missing", desktop_name=desktop.object_name, kinds=list(kinds))
    DesktopEvent.write(desktop, "parts_missing", kinds=list(kinds))
    set_reason(desktop, "parts_missing")


def mended(desktop: Desktop, kinds: Iterable[str]) -> None:
    """Write down the kinds of objects that were created again; an empty list means that none was missing."""
    if kinds:
        log.warning("desktop_mended", desktop_name=desktop.object_name, kinds=list(kinds))
        DesktopEvent.write(desktop, "mended", kinds=list(kinds))
    if desktop.reason in INCOMPLETE or (kinds and desktop.reason == "unreachable"):
        set_reason(desktop, "")
    elif not kinds and not desktop.reason and reachability.is_reported(desktop.pk):
        set_reason(desktop, "unreachable")
