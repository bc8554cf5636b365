"""Sum up the history of runs and of storage: hours and days reserved and used by user, group, image or month."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

from django.db.models import Count, DurationField, ExpressionWrapper, F, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from desktops.models import DesktopRun, StoragePeriod

_HOUR, _DAY = 3600.0, 86400.0
_GIB_IN_MIB, _GIB_IN_BYTES = 1024, 2**30
# The name of a row of each report; a person in two groups is in the rows of both.
_NAMES: dict[str, Any] = {
    "user": Coalesce("owner__username", "owner_name"),
    "group": Coalesce("owner__groups__name", Value("")),
    "image": F("image_name"),
    "month": Value(""),
}
GROUPS = tuple(_NAMES)
_SIZE = ("cpu", "memory_mib", "gpu")
_USED = ("usage__cpu_seconds", "usage__memory_byte_seconds")


@dataclass(frozen=True)
class Months:
    """A range of calendar months in the portal's time zone, given by the first day of its first and last month."""

    first: date
    last: date

    def __iter__(self) -> Iterator[date]:
        month = self.first
        while month <= self.last:
            yield month
            month = months_later(month, 1)


@dataclass
class UsageRow:
    """A row of a report. An amount "used" is measured; the others are what was reserved."""

    name: str
    runs: int = 0
    hours: float = 0.0
    cpu_hours: float = 0.0
    memory_gib_hours: float = 0.0
    gpu_hours: float = 0.0
    cpu_hours_used: float = 0.0
    memory_gib_hours_used: float = 0.0
    storage_gib_days: float = 0.0

    def add(self, seconds: float, size: dict[str, Any], *, cpu_seconds: float, memory_byte_seconds: float) -> None:
        hours = seconds / _HOUR
        self.hours += hours
        self.cpu_hours += hours * float(size["cpu"])
        self.memory_gib_hours += hours * size["memory_mib"] / _GIB_IN_MIB
        self.gpu_hours += hours * size["gpu"]
        self.cpu_hours_used += cpu_seconds / _HOUR
        self.memory_gib_hours_used += memory_byte_seconds / _HOUR / _GIB_IN_BYTES

    def add_storage(self, seconds: float, gib: int) -> None:
        self.storage_gib_days += max(0.0, seconds) / _DAY * gib


COLUMNS = tuple(field.name for field in fields(UsageRow))


def usage_report(months: Months, *, group_by: str) -> list[UsageRow]:
    """Return the rows of a report by name. Needs four queries, or four for each month when grouped by month."""
    if group_by == "month":
        return [_month(month) for month in months]
    found = _sum_up(months, group_by)
    return [found[name] for name in sorted(found)]


def _month(month: date) -> UsageRow:
    row = _sum_up(Months(month, month), "month").get("") or UsageRow("")
    row.name = f"{month:%Y-%m}"
    return row


def _sum_up(months: Months, group_by: str) -> dict[str, UsageRow]:
    since, until, now = _moment(months.first), _moment(months_later(months.last, 1)), timezone.now()
    runs = DesktopRun.objects.annotate(name=_NAMES[group_by], begun=Coalesce("started_at", "ready_at"))
    inside = Q(begun__gte=since, ended_at__lte=until)
    rows: dict[str, UsageRow] = {}
    _add_whole(rows, runs.filter(inside, ended_at__gte=since))
    crossing = runs.filter(Q(ended_at=None) | Q(ended_at__gt=since), begun__lt=until).exclude(inside)
    _add_shares(rows, crossing.values("name", "begun", "ended_at", *_SIZE, *_USED).iterator(), since, min(until, now))
    _add_storage(rows, group_by, since, until)
    return rows


def _add_storage(rows: dict[str, UsageRow], group_by: str, since: datetime, until: datetime) -> None:
    """Add the part inside the range of the time for which home folders asked for storage."""
    periods = StoragePeriod.objects.annotate(name=_NAMES[group_by]).order_by()
    inside = Q(begun_at__gte=since, ended_at__lte=until)
    lasted = Sum(ExpressionWrapper(F("ended_at") - F("begun_at"), DurationField()))
    for each in periods.filter(inside, ended_at__gte=since).values("name", "storage_gib").annotate(time=lasted):
        _row(rows, each["name"]).add_storage(each["time"].total_seconds(), each["storage_gib"])
    crossing = periods.filter(Q(ended_at=None) | Q(ended_at__gt=since), begun_at__lt=until).exclude(inside)
    now = timezone.now()
    for name, gib, begun, ended in crossing.values_list("name", "storage_gib", "begun_at", "ended_at").iterator():
        seconds = (min(ended or now, until) - max(begun, since)).total_seconds()
        if seconds > 0:
            _row(rows, name).add_storage(seconds, gib)


def _row(rows: dict[str, UsageRow], name: str) -> UsageRow:
    return rows.setdefault(name, UsageRow(name))


def _add_whole(rows: dict[str, UsageRow], runs: QuerySet[DesktopRun]) -> None:
    """Add runs that lie inside the range. The database adds them up by size."""
    lasted = ExpressionWrapper(F("ended_at") - F("begun"), DurationField())
    sums = {"count": Count("pk"), "time": Sum(lasted), "cpu_seconds": Sum(_USED[0]), "byte_seconds": Sum(_USED[1])}
    for each in runs.order_by().values("name", *_SIZE).annotate(**sums):
        row = _row(rows, each["name"])
        row.runs += each["count"]
        seconds = max(0.0, each["time"].total_seconds())
        used = {"cpu_seconds": each["cpu_seconds"] or 0, "memory_byte_seconds": each["byte_seconds"] or 0}
        row.add(seconds, each, **used)


def _add_shares(rows: dict[str, UsageRow], runs: Iterable[dict[str, Any]], since: datetime, until: datetime) -> None:
    """Add the part inside the range of runs that reach beyond it. What they used is divided by time."""
    for run in runs:
        end = run["ended_at"] or timezone.now()
        inside = (min(end, until) - max(run["begun"], since)).total_seconds()
        if inside <= 0:
            continue
        share = inside / (end - run["begun"]).total_seconds()
        row = _row(rows, run["name"])
        row.runs += 1
        used = {"cpu_seconds": run[_USED[0]] or 0, "memory_byte_seconds": run[_USED[1]] or 0}
        row.add(inside, run, **{name: amount * share for name, amount in used.items()})


def months_later(day: date, count: int) -> date:
    """Return the first day of the month that is `count` months after that of the day, or before it if negative."""
    year, month = divmod(day.year * 12 + day.month - 1 + count, 12)
    return date(year, month + 1, 1)


def _moment(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=timezone.get_default_timezone())
