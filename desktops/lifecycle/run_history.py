"""Keep the history of runs in order: end the rows of desktops that are gone, and delete old rows."""

from datetime import timedelta

import structlog
from django.conf import settings
from django.db.models import Exists, OuterRef
from django.utils import timezone

from desktops.models import Desktop, DesktopRun, RunResult

log = structlog.get_logger("podesk.run_history")
_AT_ONCE = 1000  # rows deleted by one query


def prune() -> None:
    """Delete the rows of runs that ended more than RUN_HISTORY_DAYS ago; with 0 days, none."""
    _end_lost_runs()
    if not settings.RUN_HISTORY_DAYS:
        return
    old = DesktopRun.objects.filter(ended_at__lt=timezone.now() - timedelta(days=settings.RUN_HISTORY_DAYS))
    while keys := list(old.values_list("pk", flat=True)[:_AT_ONCE]):
        DesktopRun.objects.filter(pk__in=keys).delete()


def _end_lost_runs() -> None:
    """End the runs whose desktop is gone, or at a later run.

    Only a change of the database from outside leaves such rows. Without an end, reports would go on adding hours.
    """
    current = Desktop.objects.filter(pk=OuterRef("desktop_id"), run=OuterRef("run"))
    lost = DesktopRun.objects.filter(~Exists(current), ended_at=None)
    if count := lost.update(ended_at=timezone.now(), result=RunResult.DELETED):
        log.warning("lost_runs_ended", count=count)
