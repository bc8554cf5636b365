"""Write down what happens to a running desktop: on its row, in its timeline and in the log."""

from collections.abc import Iterable

import structlog

from desktops.lifecycle import reachability
from desktops.models import Desktop, DesktopEvent, Status
from desktops.runtimes.base import RuntimeFault

log = structlog.get_logger("podesk.reconcile")
INCOMPLETE = ("parts_missing", "parts_lost", "parts_refused")


def set_reason(desktop: Desktop, reason: str, facts: dict[str, str] | None = None) -> None:
    """Set the reason of a running desktop; an empty one clears it."""
    fields = {"reason": reason, "reason_facts": facts or {}}
    if Desktop.objects.filter(pk=desktop.pk, run=desktop.run, status=Status.RUNNING).update(**fields):
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
        if not _is_loss_noted(desktop):  # the worker came before the controller saw what was missing
            DesktopEvent.write(desktop, "parts_missing", kinds=list(kinds))
        log.warning("desktop_mended", desktop_name=desktop.object_name, kinds=list(kinds))
        DesktopEvent.write(desktop, "mended", kinds=list(kinds))
    if desktop.reason in INCOMPLETE or (kinds and desktop.reason == "unreachable"):
        set_reason(desktop, "")
    elif not kinds and not desktop.reason and reachability.is_reported(desktop.pk):
        set_reason(desktop, "unreachable")


def _is_loss_noted(desktop: Desktop) -> bool:
    """Return whether the timeline of this run names a loss that was not mended yet."""
    noted = desktop.events.filter(run=desktop.run, kind__in=("parts_missing", "mended")).order_by("pk").last()
    return noted is not None and noted.kind == "parts_missing"


def known_fault(desktop: Desktop) -> str:
    """Return the reason of the last failed mend, or an empty string."""
    return "start_failed" if desktop.reason == "parts_lost" else str(desktop.reason_facts.get("fault", ""))


def not_mended(desktop: Desktop, fault: RuntimeFault) -> None:
    """Write down that what is missing cannot be created again.

    A restart helps if only the old address is lost. It fails for the same reason if the cluster refuses the object.
    """
    reason, facts = "parts_refused", {**fault.facts, "fault": fault.reason}
    if fault.reason == "start_failed":
        reason, facts = "parts_lost", {}
    if (desktop.reason, desktop.reason_facts) != (reason, facts):
        set_reason(desktop, reason, facts)
