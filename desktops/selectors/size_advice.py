"""Find desktops that reserve far more than they use, and the size that would be enough. For administrators."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import F, FloatField, Max, Q, QuerySet, Sum
from django.db.models.functions import Cast
from django.utils import timezone

from accounts.models import AuditEvent
from desktops.lifecycle.desktop_size import ComputeSize
from desktops.models import Desktop, DesktopRun, Status

DAYS = 30
LEAST_HOURS = 10  # of samples; a desktop that ran for a shorter time may not yet have done its usual work
SHARE = 0.5  # of what a run reserved: one that used more at any time needs its size
_CPU_SPARE, _MEMORY_SPARE = 1.25, 1.5  # times the maximum; too little memory ends programs, too little CPU slows them
_CPU_STEP, _MEMORY_STEP = 0.5, 512  # proposed amounts are multiples of these cores and MiB
_LEAST_CPU, _LEAST_MEMORY = 0.5, 1024
_MOST_ROWS = 100
_HOUR = 3600


@dataclass(frozen=True)
class ResourceUse:
    """The cores or MiB that a desktop used at most, and in 95 % of the samples of the run that used the most."""

    maximum: float
    p95: float


@dataclass(frozen=True)
class SizeAdvice:
    """A desktop that could be smaller. A resource without a proposal keeps its amount."""

    desktop: Desktop
    hours: float  # for which there are samples
    cpu: ResourceUse
    memory: ResourceUse
    proposed: ComputeSize

    @property
    def saved(self) -> tuple[Decimal, int]:
        present = ComputeSize.of_next_start(self.desktop)
        return present.cpu - self.proposed.cpu, present.memory_mib - self.proposed.memory_mib


@dataclass(frozen=True)
class SizeChange:
    """The last change of a desktop's size in these days, which can be set back."""

    desktop: Desktop
    at: datetime
    by: str
    size: ComputeSize
    before: ComputeSize


def size_advice() -> list[SizeAdvice]:
    """Return the desktops that could be smaller, those that would save the most first. Needs three queries."""
    use = {each["desktop_id"]: each for each in _oversized()}
    desktops = Desktop.objects.filter(pk__in=use).exclude(status=Status.DELETING).select_related("owner", "image")
    found = [(desktop, proposed) for desktop in desktops if (proposed := _proposed(desktop, use[desktop.pk]))]
    p95 = _p95_of([desktop.pk for desktop, _ in found])
    advice = [_advice(desktop, proposed, use[desktop.pk], p95[desktop.pk]) for desktop, proposed in found]
    return sorted(advice, key=lambda each: each.saved, reverse=True)[:_MOST_ROWS]


def size_changes() -> list[SizeChange]:
    """Return the last change of each desktop's size in these days, newest first. Needs two queries."""
    since = timezone.now() - timedelta(days=DAYS)
    events = AuditEvent.objects.filter(action="desktop.resize", result="done", at__gte=since).order_by("at", "pk")
    last = {event.target: event for event in events}
    desktops = Desktop.objects.filter(pk__in=last).exclude(status=Status.DELETING).select_related("owner")
    changes = [_change(desktop, last[str(desktop.pk)]) for desktop in desktops]
    return sorted(changes, key=lambda each: each.at, reverse=True)[:_MOST_ROWS]


def _recent_runs() -> QuerySet[DesktopRun]:
    since = timezone.now() - timedelta(days=DAYS)
    return DesktopRun.objects.filter(Q(ended_at=None) | Q(ended_at__gte=since), usage__samples__gt=0)


def _oversized() -> Iterable[dict[str, Any]]:
    """Return the use of each desktop that was observed long enough and used at most a share in each of its runs."""
    least = LEAST_HOURS * _HOUR / (settings.USAGE_SAMPLE_SECONDS or 1)
    sums = {"samples": Sum("usage__samples"), "cpu_max": Max("usage__cpu_max"), "memory_max": Max("usage__memory_max")}
    shares = {
        "cpu_share": Max(F("usage__cpu_max") / Cast("cpu", FloatField())),
        "memory_share": Max(F("usage__memory_max") / Cast("memory_mib", FloatField())),
    }
    rows: Any = _recent_runs().order_by().values("desktop_id").annotate(**sums, **shares)
    found = rows.filter(Q(cpu_share__lte=SHARE) | Q(memory_share__lte=SHARE), samples__gte=least)
    return found if settings.USAGE_SAMPLE_SECONDS else []


def _proposed(desktop: Desktop, use: dict[str, Any]) -> ComputeSize | None:
    """Return the size that is enough, or None if it is not smaller than the one from the next start."""
    present = ComputeSize.of_next_start(desktop)
    cpu, memory = present.cpu, present.memory_mib
    if use["cpu_share"] <= SHARE:
        cpu = min(cpu, Decimal(str(_rounded_up(use["cpu_max"] * _CPU_SPARE, _CPU_STEP, _LEAST_CPU))))
    if use["memory_share"] <= SHARE:
        memory = min(memory, int(_rounded_up(use["memory_max"] * _MEMORY_SPARE, _MEMORY_STEP, _LEAST_MEMORY)))
    return ComputeSize(cpu, memory) if (cpu, memory) != (present.cpu, present.memory_mib) else None


def _rounded_up(number: float, step: float, least: float) -> float:
    return max(least, math.ceil(number / step) * step)


def _p95_of(desktops: list[UUID]) -> dict[UUID, tuple[float, float]]:
    """Return the highest 95th percentile among the runs of each desktop, of CPU and of memory."""
    found: dict[UUID, tuple[float, float]] = {}
    for run in _recent_runs().filter(desktop_id__in=desktops).select_related("usage").iterator():
        cpu, memory = found.get(run.desktop_id, (0.0, 0.0))
        found[run.desktop_id] = max(cpu, run.usage.cpu_p95), max(memory, run.usage.memory_p95)
    return found


def _advice(desktop: Desktop, proposed: ComputeSize, use: dict[str, Any], p95: tuple[float, float]) -> SizeAdvice:
    hours = min(DAYS * 24, use["samples"] * settings.USAGE_SAMPLE_SECONDS / _HOUR)
    cpu, memory = ResourceUse(use["cpu_max"], p95[0]), ResourceUse(use["memory_max"], p95[1])
    return SizeAdvice(desktop, hours, cpu, memory, proposed)


def _change(desktop: Desktop, event: AuditEvent) -> SizeChange:
    before = event.details["before"]
    return SizeChange(
        desktop,
        event.at,
        event.actor_name,
        ComputeSize.of_next_start(desktop),
        ComputeSize(Decimal(before["cpu"]), before["memory_mib"]),
    )
