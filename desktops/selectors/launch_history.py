"""How launches went in the last day and week, from the history of runs, in one query."""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NamedTuple

from django.db.models import FloatField, Func
from django.utils import timezone

from desktops.models import DesktopRun, RunResult

_HOUR, _DAY, _RECENT = 3600, 86400, 1800  # seconds


class UnixTime(Func):
    """The Unix time of a column, as a number that Python need not parse."""

    output_field = FloatField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="(julianday(%(expressions)s) - 2440587.5) * 86400.0")

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="EXTRACT(EPOCH FROM %(expressions)s)::float8")


class Launch(NamedTuple):
    queued: float  # Unix times
    ready: float | None
    ended: float | None
    result: str
    reason: str

    @property
    def failed(self) -> bool:
        return self.ready is None and self.result == RunResult.FAILED

    @property
    def seconds(self) -> float:
        """Return the seconds from queued to ready. Only for a launch that became ready."""
        return max(0.0, (self.ready or self.queued) - self.queued)


@dataclass(frozen=True)
class LaunchSummary:
    """The launches of one period. The rest neither succeeded nor failed: it was stopped first, or has not ended."""

    total: int = 0
    ready: int = 0
    failed: int = 0
    p50: float | None = None  # seconds from queued to ready
    p90: float | None = None
    p95: float | None = None

    @property
    def rest(self) -> int:
        return self.total - self.ready - self.failed


@dataclass(frozen=True)
class LaunchPeriod:
    """One column of a chart."""

    start: float  # Unix time
    ready: int
    failed: int


@dataclass(frozen=True)
class FailureReason:
    slug: str
    day: int
    week: int


@dataclass(frozen=True)
class LaunchHistory:
    day: LaunchSummary = LaunchSummary()
    week: LaunchSummary = LaunchSummary()
    recent: LaunchSummary = LaunchSummary()  # launches that became ready or failed in the last half hour
    hours: list[LaunchPeriod] = field(default_factory=list)  # the last 24, oldest first
    days: list[LaunchPeriod] = field(default_factory=list)  # the last 7, oldest first
    failures: list[FailureReason] = field(default_factory=list)  # the most frequent of the week first


def launch_history() -> LaunchHistory:
    now = time.time()
    week = list(_launches_since(7 * _DAY))
    day = [launch for launch in week if launch.queued >= now - _DAY]
    recent = [launch for launch in day if (launch.ready or (launch.failed and launch.ended) or 0) >= now - _RECENT]
    by_week, by_day = (Counter(each.reason for each in launches if each.failed) for launches in (week, day))
    return LaunchHistory(
        day=_summary(day),
        week=_summary(week),
        recent=_summary(recent),
        hours=_periods(day, now, _HOUR, 24),
        days=_periods(week, now, _DAY, 7),
        failures=[FailureReason(slug, by_day[slug], count) for slug, count in by_week.most_common(8)],
    )


def _launches_since(seconds: int) -> Iterable[Launch]:
    rows = DesktopRun.objects.filter(queued_at__gte=timezone.now() - timedelta(seconds=seconds)).order_by()
    times = [UnixTime(f"{step}_at") for step in ("queued", "ready", "ended")]
    return (Launch(*row) for row in rows.values_list(*times, "result", "reason").iterator(5000))


def _summary(launches: list[Launch]) -> LaunchSummary:
    took = sorted(launch.seconds for launch in launches if launch.ready is not None)
    failed = sum(launch.failed for launch in launches)
    return LaunchSummary(len(launches), len(took), failed, *(_percentile(took, share) for share in (0.5, 0.9, 0.95)))


def _percentile(sorted_numbers: list[float], share: float) -> float | None:
    """Return the smallest number that at least this share of the numbers do not exceed."""
    last = len(sorted_numbers) - 1
    return sorted_numbers[min(last, int(share * len(sorted_numbers)))] if sorted_numbers else None


def _periods(launches: list[Launch], now: float, length: int, count: int) -> list[LaunchPeriod]:
    """Return the last `count` hours or days by the clock of the active time zone. The last one is not over yet."""
    offset = (timezone.localtime().utcoffset() or timedelta()).total_seconds()
    first = int((now + offset) // length) - count + 1
    ready, failed = ([0] * count for _ in range(2))
    for launch in launches:
        number = int((launch.queued + offset) // length) - first
        if 0 <= number < count:
            ready[number] += launch.ready is not None
            failed[number] += launch.failed
    starts = ((first + number) * length - offset for number in range(count))
    return [LaunchPeriod(*each) for each in zip(starts, ready, failed, strict=True)]
