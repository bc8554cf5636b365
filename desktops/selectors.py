"""Reads: who may see what, what they may have, how a desktop is. One answer for page, API and socket alike."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.tokens import Claims
from desktops import status_cache
from desktops.desktop_snapshot import DesktopSnapshot
from desktops.exceptions import DesktopNotFound, RuntimeUnavailable
from desktops.lifecycle import heartbeat
from desktops.models import LAUNCHING, MOVING, Desktop, DesktopEvent, Status, Volume
from desktops.runtimes import get_runtime
from desktops.runtimes.base import RuntimeFault, RuntimeUnknown, Usage
from desktops.wording import diagnosis, timeline


def visible_to(user: User) -> QuerySet[Desktop]:
    """A person's own desktops. Administrators manage others' in the admin; nobody looks at another's screen."""
    return Desktop.objects.filter(owner=user).select_related("image", "volume")


def get_for(*, user: User, desktop_id: UUID) -> Desktop:
    return _found(visible_to(user).filter(pk=desktop_id))


def named(*, user: User, pod_name: str) -> Desktop:
    """The same by the name of the runtime's objects, which scripts know it by."""
    return _found(visible_to(user).filter(object_name=pod_name))


def _found(rows: QuerySet[Desktop]) -> Desktop:
    """Return the only desktop of `rows`, and name it in all further lines of the log. Raises DesktopNotFound."""
    desktop = rows.first()
    if desktop is None:
        raise DesktopNotFound
    structlog.contextvars.bind_contextvars(desktop=str(desktop.pk))
    return desktop


def everyones() -> QuerySet[Desktop]:
    """For those who administer desktops; see accounts.api.permissions."""
    return Desktop.objects.select_related("owner", "image", "volume")


def anyones(*, pod_name: str) -> Desktop:
    """Of those. Raises DesktopNotFound."""
    return _found(everyones().filter(object_name=pod_name))


def events_of(user: User) -> QuerySet[DesktopEvent]:
    """The timelines of all that a person has, newest line first."""
    told = DesktopEvent.objects.filter(desktop__owner=user).exclude(kind__in=timeline.HIDDEN)
    return told.select_related("desktop").order_by("-at", "-id")


def snapshot_for(*, user_id: str, pod_name: str) -> DesktopSnapshot:
    """The same by the desktop's object name, from Redis if possible: for scripts that ask again and again."""
    found = status_cache.read_through(pod_name, lambda: Desktop.snapshot_of(pod_name))
    if found is None or found.owner_id != user_id:
        raise DesktopNotFound
    return found


def kept_volumes(user: User) -> QuerySet[Volume]:
    """Files without a desktop, longest kept first; lost ones among them."""
    return Volume.objects.filter(owner=user, kept_at__isnull=False).order_by("kept_at", "pk")


def volume_for(*, user: User, volume_id: UUID) -> Volume:
    """Raises DesktopNotFound."""
    volume = Volume.objects.filter(owner=user, pk=volume_id).first()
    if volume is None:
        raise DesktopNotFound(_("There are no such files."))
    return volume


def for_stream(claims: Claims) -> Desktop | None:
    """The desktop whose stream a verified token opens; None for every reason that a stranger may not know."""
    return (
        Desktop.objects.select_related("owner")
        .filter(object_name=claims.pod_name, owner__pk=claims.user_id, owner__is_active=True)
        .first()
    )


@dataclass(frozen=True)
class Step:
    kind: str
    label: str
    at: datetime | None
    seconds: float | None  # since the step before
    status: str  # done, current, todo


@dataclass(frozen=True)
class DesktopState:
    sentence: str
    next_step: str
    permanent: bool
    waiting: bool
    steps: list[Step]


def state_of(desktop: Desktop) -> DesktopState:
    found = diagnosis_of(desktop)
    return DesktopState(found.sentence, found.next_step, found.permanent, found.waiting, _steps(desktop))


def diagnosis_of(desktop: Desktop) -> diagnosis.Diagnosis:
    """Asks the row and Redis."""
    facts = diagnosis.DiagnosisInput(
        status=desktop.status,
        reason=desktop.reason,
        reason_facts=desktop.reason_facts,
        seconds=(timezone.now() - desktop.status_since).total_seconds(),
        files_lost=desktop.volume.lost_at is not None,
        **(machinery() if desktop.status in MOVING else {}),
    )
    return diagnosis.explain(facts)


def machinery() -> dict[str, Any]:
    """Return what diagnosis.DiagnosisInput says of the portal's own parts. Asks Redis."""
    found = heartbeat.look()
    return {
        "redis": found.redis.reason,
        "controller_late": found.controller.status in ("late", "missing"),
        "workers": 1 if found.workers is None else found.workers,
        "runtime_unavailable": bool(found.runtime_unavailable),
    }


def _steps(desktop: Desktop) -> list[Step]:
    """The steps of a start, with times as far as they have come."""
    reached = dict(desktop.events.filter(run=desktop.run, kind__in=DesktopEvent.STEPS).values_list("kind", "at"))
    steps, before, current_given = [], None, desktop.status not in LAUNCHING
    for kind in ("queued", *get_runtime().steps):
        at = reached.get(kind)
        seconds: float | None = max(0.0, (at - before).total_seconds()) if at and before else None
        status = "done" if at else "todo" if current_given else "current"
        current_given = current_given or not at
        steps.append(Step(kind, timeline.label(kind), at, seconds, status))
        before = at or before
    return steps


def timeline_of(desktop: Desktop, limit: int = 50) -> list[DesktopEvent]:
    """Newest first."""
    return list(desktop.events.order_by("-at", "-id")[:limit])


def usage_of(desktop: Desktop) -> Usage | None:
    """None when it does not run or the runtime does not say."""
    try:
        return measured(desktop)
    except RuntimeUnavailable:
        return None


def measured(desktop: Desktop) -> Usage | None:
    """None when it does not run or nothing measures it. Raises RuntimeAway."""
    if desktop.status != Status.RUNNING:
        return None
    try:
        return get_runtime().usage(desktop.object_name)
    except (RuntimeFault, RuntimeUnknown) as error:
        raise RuntimeUnavailable(detail=str(error)) from error


def log_of(desktop: Desktop, lines: int = 200) -> str:
    """Of one that failed, what it printed before. Raises RuntimeAway."""
    if desktop.status == Status.FAILED and desktop.last_log:
        return "\n".join(desktop.last_log.splitlines()[-lines:])
    try:
        return get_runtime().logs(desktop.object_name, lines=lines)
    except (RuntimeFault, RuntimeUnknown) as error:
        raise RuntimeUnavailable(detail=str(error)) from error
