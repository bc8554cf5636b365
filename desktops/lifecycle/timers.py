"""Stop idle desktops and desktops that have reached their time limit."""

from datetime import timedelta

from django.db import transaction
from django.db.models import DateTimeField, DurationField, ExpressionWrapper, F, IntegerField, Q
from django.db.models.functions import Cast
from django.utils import timezone

from accounts.disconnects import Disconnect, disconnect_after_commit
from accounts.services import prune
from core.redis import client, key
from desktops.lifecycle import jobs, run_history, storage_history
from desktops.lifecycle.queue import enqueue_after_commit
from desktops.models import Desktop, Status


def run_timers() -> None:
    """Stop all desktops whose time is over. Finds them with one query."""
    now = timezone.now()
    minutes = Cast("idle_minutes", IntegerField())  # SQLite multiplies durations by plain integers only
    idle_for = ExpressionWrapper(minutes * timedelta(minutes=1), DurationField())
    idle_until = ExpressionWrapper(F("last_input_at") + idle_for, DateTimeField())
    over = Q(expires_at__lte=now) | Q(idle_minutes__gt=0, idle_until__lte=now)
    for desktop in Desktop.objects.filter(status=Status.RUNNING).annotate(idle_until=idle_until).filter(over):
        expired = desktop.expires_at is not None and desktop.expires_at <= now
        _stop(desktop, "expired" if expired else "idle")


def prune_daily() -> None:
    """Remove old logins, tokens, runs and periods of storage once a day, once for all controllers."""
    if client().set(key("pruned"), "1", nx=True, ex=24 * 3600):
        prune()
        run_history.prune()
        storage_history.prune()


@transaction.atomic
def _stop(desktop: Desktop, reason: str) -> None:
    if desktop.move(to=Status.STOPPING, reason=reason, event_params={"reason": reason}):
        enqueue_after_commit(jobs.stop_desktop, desktop.pk)
        disconnect_after_commit(Disconnect("desktop", str(desktop.pk), reason))
