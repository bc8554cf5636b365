"""Why a start waits and for how long: each known reason has its own timeout."""

from datetime import datetime

from django.conf import settings
from django.utils import timezone

from desktops.lifecycle import heartbeat
from desktops.models import Desktop, DesktopEvent
from desktops.runtimes.base import Observed
from desktops.wording.reasons import UNSEEN, WAITING


def record_reason(desktop: Desktop, seen: Observed) -> None:
    """Record why a start waits, if the reason has changed."""
    set_reason(desktop, seen.reason, seen.detail)


def set_reason(desktop: Desktop, reason: str, detail: str) -> None:
    if reason not in WAITING:
        reason = ""
    if reason == desktop.reason:
        return
    changed = Desktop.objects.filter(pk=desktop.pk, run=desktop.run, status=desktop.status)
    if not changed.update(reason=reason, reason_since=timezone.now()):
        return
    if reason and not _since(desktop, reason):
        DesktopEvent.write(desktop, "waiting", reason=reason, detail=detail[:500])
    desktop.notify_owner()


def too_long(desktop: Desktop, seen: Observed | None) -> str:
    """Return the reason to give up a start, or an empty string to go on waiting."""
    reason = seen.reason if seen else _reason_of_delayed_start(desktop)
    if reason in WAITING:
        if not _timed_out(desktop.status_since, WAITING[reason].timeout):  # skips a query while the start is young
            return ""
        # Measured from the first time in this run, so that alternating reasons do not extend the wait.
        since = _since(desktop, reason)
        return reason if since and _timed_out(since, WAITING[reason].timeout) else ""
    if seen and desktop.reason in WAITING:  # its reason has just ended, and that wait is not part of the start
        return ""
    since = desktop.reason_since or desktop.status_since
    return "start_timeout" if _timed_out(since, settings.START_DEADLINE) else ""


def _reason_of_delayed_start(desktop: Desktop) -> str:
    """Return the reason of a start that was postponed before the runtime had anything to observe."""
    return desktop.reason if desktop.reason in UNSEEN else ""


def _since(desktop: Desktop, reason: str) -> datetime | None:
    events = desktop.events.filter(run=desktop.run, kind="waiting", params__reason=reason)
    return events.values_list("at", flat=True).order_by("at").first()


def _timed_out(since: datetime, timeout: int) -> bool:
    """Say whether the timeout has passed.

    Time without observation is excluded: the desktop could have become ready unseen.
    """
    return (timezone.now() - since).total_seconds() > timeout and heartbeat.observed_seconds() > timeout
