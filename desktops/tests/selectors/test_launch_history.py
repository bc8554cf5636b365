"""Launches of the last day and week: percentiles, results, reasons, and columns by the clock of the reader."""

from datetime import datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from desktops.models import DesktopRun, RunResult
from desktops.selectors.launch_history import launch_history


def make_run(*, hours: float, seconds: float | None = None, result: str = "", reason: str = "") -> DesktopRun:
    """Make the row of a run that was queued so many hours ago and became ready after so many seconds, or never."""
    queued = timezone.now() - timedelta(hours=hours)
    ready = None if seconds is None else queued + timedelta(seconds=seconds)
    size = {"cpu": 1, "memory_mib": 1, "storage_gib": 1, "gpu": 0}
    fields = {"queued_at": queued, "ready_at": ready, "result": result, "reason": reason, "desktop_id": uuid4()}
    fields["ended_at"] = queued + timedelta(seconds=(seconds or 0) + 5) if result else None
    return DesktopRun.objects.create(run=1, **size, **fields)


@pytest.mark.django_db
def test_percentiles_of_day_and_week():
    for number in range(1, 101):
        make_run(hours=1, seconds=number)
    for _ in range(100):
        make_run(hours=50, seconds=1000)
    make_run(hours=24 * 7 + 1, seconds=9999)
    found = launch_history()
    assert (found.day.total, found.week.total) == (100, 200)
    assert (found.day.p50, found.day.p95) == (pytest.approx(51, abs=0.01), pytest.approx(96, abs=0.01))
    assert found.week.p95 == pytest.approx(1000, abs=0.01)


@pytest.mark.django_db
def test_results():
    make_run(hours=1, seconds=5)
    make_run(hours=1, seconds=5, result=RunResult.FAILED, reason="vanished")  # it failed after it was ready
    make_run(hours=1, result=RunResult.FAILED, reason="disk_full")
    make_run(hours=30, result=RunResult.FAILED, reason="disk_full")
    make_run(hours=30, result=RunResult.FAILED, reason="crash_loop")
    make_run(hours=1, result=RunResult.STOPPED)
    make_run(hours=1)
    found = launch_history()
    assert (found.day.total, found.day.ready, found.day.failed, found.day.rest) == (5, 2, 1, 2)
    assert [(each.slug, each.day, each.week) for each in found.failures] == [("disk_full", 1, 2), ("crash_loop", 0, 1)]


@pytest.mark.django_db
def test_no_launches():
    found = launch_history()
    assert (found.week.total, found.week.p50, found.failures) == (0, None, [])
    assert (len(found.hours), len(found.days)) == (24, 7)


@pytest.mark.django_db
@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "Asia/Kolkata"])
def test_columns_by_the_clock_of_the_reader(zone):
    make_run(hours=0, seconds=5)
    make_run(hours=3, result=RunResult.FAILED)
    with timezone.override(zone):
        found = launch_history()
    hours = [datetime.fromtimestamp(each.start, ZoneInfo(zone)) for each in found.hours]
    days = [datetime.fromtimestamp(each.start, ZoneInfo(zone)) for each in found.days]
    assert {at.minute for at in hours} == {0}
    assert {(at.hour, at.minute) for at in days} == {(0, 0)}
    assert days[-1].date() == datetime.now(ZoneInfo(zone)).date()
    assert (found.hours[-1].ready, found.hours[-4].failed) == (1, 1)
    assert sum(each.ready + each.failed for each in found.hours) == 2
