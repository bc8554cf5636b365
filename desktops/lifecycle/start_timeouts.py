"""What a start waits for, and how long it may: each known reason has a patience of its own."""

from datetime import datetime

from django.conf import settings
from django.utils import timezone

from desktops.lifecycle import heartbeat
from desktops.models import Desktop, DesktopEvent
from desktops.runtimes.base import Observed
from desktops.wording.reasons import UNSEEN, WAITING


def note(desktop: Desktop, seen: Observed) -> None:
    """Write down why it waits, when that has changed."""
    say(desktop, seen.reason, seen.detail)


def say(desktop: Desktop, reason: str, detail: str) -> None:
    if reason not in WAITING:
        reason = ""
    if reason == desktop.reason:
        return
    changed = Desktop.objects.filter(pk=desktop.pk, run=desktop.run, status=desktop.status)
    if not changed.update(reason=reason, reason_since=timezone.now()):
        return
    if reason and not _since(desktop, reason):
        DesktopEvent.write(desktop, "waiting", reason=reason, detail=detail[:500])
    desktop.tell_owner()


def too_long(desktop: Desktop, seen: Observed | None) -> str:
    """The reason to give up; empty while there is hope."""
    reason = seen.reason if seen else _of_the_start_itself(desktop)
    if reason in WAITING:
        if not _over(desktop.status_since, WAITING[reason].timeout):  # spares a query while there is no question
            return ""
        # From its first time in this run: a cluster that says now "fetching", now "failed" gains no time by it.
        since = _since(desktop, reason)
        return reason if since and _over(since, WAITING[reason].timeout) else ""
    if seen and desktop.reason in WAITING:  # it has just gone: its own time was not the start's
        return ""
    since = desktop.reason_since or desktop.status_since
    return "start_timeout" if _over(since, settings.START_DEADLINE) else ""


def _of_the_start_itself(desktop: Desktop) -> str:
    """It was put off, and nothing of it is there to be seen."""
    return desktop.reason if desktop.reason in UNSEEN else ""


def _since(desktop: Desktop, reason: str) -> datetime | None:
    events = desktop.events.filter(run=desktop.run, kind="waiting", params__reason=reason)
    return events.values_list("at", flat=True).order_by("at").first()


def _over(since: datetime, timeout: int) -> bool:
    """Only time counts in which somebody looked: it may have come up, or been lost, while nobody could see it."""
    return (timezone.now() - since).total_seconds() > timeout and heartbeat.observed_seconds() > timeout
