"""Who may see which desktops and files, and the state of a desktop."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.db.models import F, QuerySet
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
    """Return a person's own desktops.

    Administrators manage other people's desktops in the admin, but cannot view them.
    """
    return Desktop.objects.filter(owner=user).select_related("image", "volume")


def get_for(*, user: User, desktop_id: UUID) -> Desktop:
    return _found(visible_to(user).filter(pk=desktop_id))


def named(*, user: User, pod_name: str) -> Desktop:
    """Return a person's desktop by the name of its runtime objects, which scripts use. Raises DesktopNotFound."""
    return _found(visible_to(user).filter(object_name=pod_name))


def _found(rows: QuerySet[Desktop]) -> Desktop:
    """Return the only desktop of `rows`, and add it to all further log lines. Raises DesktopNotFound."""
    desktop = rows.first()
    if desktop is None:
        raise DesktopNotFound
    structlog.contextvars.bind_contextvars(desktop=str(desktop.pk))
    return desktop


def all_desktops() -> QuerySet[Desktop]:
    """Return all desktops, for administrators; see accounts.api.permissions."""
    return Desktop.objects.select_related("owner", "image", "volume")


def any_desktop_named(*, pod_name: str) -> Desktop:
    """Return any user's desktop, for administrators. Raises DesktopNotFound."""
    return _found(all_desktops().filter(object_name=pod_name))


def events_of(user: User) -> QuerySet[DesktopEvent]:
    """Return the timelines of all desktops of a person, newest line first."""
    shown = DesktopEvent.objects.filter(desktop__owner=user).exclude(kind__in=timeline.HIDDEN)
    return shown.select_related("desktop").order_by("-at", "-id")


def snapshot_for(*, user_id: str, pod_name: str) -> DesktopSnapshot:
    """Return a snapshot of a person's desktop by object name.

    Reads Redis first, because scripts poll. Raises DesktopNotFound.
    """
    found = status_cache.read_through(pod_name, lambda: Desktop.snapshot_of(pod_name))
    if found is None or found.owner_id != user_id:
        raise DesktopNotFound
    return found


def kept_volumes(user: User) -> QuerySet[Volume]:
    """Return a person's kept files, oldest first, including lost ones."""
    return Volume.objects.filter(owner=user, kept_at__isnull=False).order_by("kept_at", "pk")


def kept_files_ending_soon(user: User) -> list[Volume]:
    """Return a person's kept files that will soon be deleted, soonest first."""
    return list(Volume.ending_soon().filter(owner=user))


def volumes_without_desktop(user: User) -> QuerySet[Volume]:
    """Return a person's kept files, oldest first, including lost ones; then the files that are being deleted."""
    return Volume.objects.filter(owner=user, desktop=None).order_by(F("kept_at").asc(nulls_last=True), "pk")


def volume_to_reuse(*, owner: User, name: str) -> Volume | None:
    """Return the newest kept files of a desktop with this name, which a new desktop of that name uses by default."""
    return kept_volumes(owner).filter(desktop_name=name, lost_at=None).order_by("-kept_at", "pk").first()


def volume_for(*, user: User, volume_id: UUID) -> Volume:
    """Return a person's volume. Raises DesktopNotFound."""
    volume = Volume.objects.filter(owner=user, pk=volume_id).first()
    if volume is None:
        raise DesktopNotFound(_("There are no such files."))
    return volume


def for_stream(claims: Claims) -> Desktop | None:
    """Return the desktop whose stream a verified token opens.

    Returns None for every failure, so that strangers learn nothing.
    """
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
    seconds: float | None  # since the previous step
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
    """Read the row and Redis, and return the diagnosis."""
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
    """Return the health of the portal's own parts as fields of diagnosis.DiagnosisInput. Reads Redis."""
    found = heartbeat.look()
    return {
        "redis": found.redis.reason,
        "controller_late": found.controller.status in ("late", "missing"),
        "workers": 1 if found.workers is None else found.workers,
        "runtime_outage": found.runtime_outage,
    }


def _steps(desktop: Desktop) -> list[Step]:
    """Return the steps of a start, with the times of those reached so far."""
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
    """Return the lines of a desktop's timeline, newest first."""
    return list(desktop.events.order_by("-at", "-id")[:limit])


def usage_of(desktop: Desktop) -> Usage | None:
    """Return None if the desktop does not run or the runtime cannot measure it."""
    try:
        return measured(desktop)
    except RuntimeUnavailable:
        return None


def measured(desktop: Desktop) -> Usage | None:
    """Return None if the desktop does not run or nothing measures it. Raises RuntimeUnavailable."""
    if desktop.status != Status.RUNNING:
        return None
    try:
        return get_runtime().usage(desktop.object_name)
    except (RuntimeFault, RuntimeUnknown) as error:
        raise RuntimeUnavailable(detail=str(error)) from error


def log_of(desktop: Desktop, lines: int = 200) -> str:
    """Return the log of a desktop. For a failed one, return the output before it failed. Raises RuntimeUnavailable."""
    if desktop.status == Status.FAILED and desktop.last_log:
        return "\n".join(desktop.last_log.splitlines()[-lines:])
    try:
        return get_runtime().logs(desktop.object_name, lines=lines)
    except (RuntimeFault, RuntimeUnknown) as error:
        raise RuntimeUnavailable(detail=str(error)) from error
