"""While the runtime cannot be observed, no row changes, and the time is not part of a start's timeout."""

import time
from collections.abc import Callable
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.utils import timezone

from desktops.lifecycle import heartbeat
from desktops.models import Desktop, Status
from desktops.runtimes.base import Phase
from desktops.wording.reasons import WAITING

DEADLINE = 2  # seconds
OUTAGE = DEADLINE + 2


@pytest.fixture(autouse=True)
def quick(settings, monkeypatch, transactional_db):
    """Shorten all delays of minutes to seconds."""
    settings.START_DEADLINE, settings.RELIST_SECONDS = DEADLINE, 0.2
    monkeypatch.setattr(heartbeat, "SLACK", 1)
    monkeypatch.setitem(WAITING, "unschedulable", WAITING["unschedulable"]._replace(timeout=DEADLINE))


@pytest.fixture
def outage(scripted_runtime, controlled, redis_unavailable) -> Callable:
    @contextmanager
    def of(part: str):
        match part:
            case "runtime":
                scripted_runtime.unavailable = True
                yield
                scripted_runtime.unavailable = False
            case "controllers":
                controlled.stop()
                yield
                controlled.start()
            case "redis":  # Redis comes back empty
                with redis_unavailable():
                    yield

    return of


@pytest.fixture
def starting(make_desktop, alice) -> Desktop:
    return make_desktop(alice, status=Status.STARTING)


def status(desktop: Desktop) -> tuple[str, str]:
    desktop.refresh_from_db()
    return desktop.status, desktop.reason


def wait_for_comparisons(scripted_runtime, count: int = 3) -> None:
    """Wait for `count` more full comparisons."""
    before, end = scripted_runtime.list_count(), time.monotonic() + 20
    while scripted_runtime.list_count() < before + count:
        assert time.monotonic() < end
        time.sleep(0.05)


PARTS = pytest.mark.parametrize("part", ["runtime", "controllers", "redis"])


@PARTS
def test_a_start_of_which_nothing_was_seen_is_ordered_again_and_comes_up(
    part, outage, scripted_runtime, starting, queued, wait_for
):
    wait_for_comparisons(scripted_runtime)
    with outage(part):
        time.sleep(OUTAGE)
    Desktop.objects.filter(pk=starting.pk).update(status_since=timezone.now() - timedelta(minutes=2))
    wait_for_comparisons(scripted_runtime)
    assert status(starting) == (Status.STARTING, "")
    wait_for(lambda: ("start_desktop", str(starting.pk)) in queued())
    scripted_runtime.sees(starting, Phase.READY)
    wait_for(lambda: status(starting) == (Status.RUNNING, ""))


@PARTS
def test_what_a_start_waits_for_keeps_its_timeout(part, outage, scripted_runtime, starting, wait_for):
    scripted_runtime.sees(starting, Phase.CREATED, reason="unschedulable")
    wait_for(lambda: status(starting) == (Status.STARTING, "unschedulable"))
    with outage(part):
        time.sleep(OUTAGE)
    wait_for_comparisons(scripted_runtime)
    assert status(starting) == (Status.STARTING, "unschedulable")


@PARTS
def test_no_row_changes(part, outage, scripted_runtime, make_desktop, alice):
    rows = [make_desktop(alice, name=each, status=each) for each in Status.values]
    phases = {Status.RUNNING: Phase.READY, Status.STOPPING: Phase.STOPPING, Status.DELETING: Phase.STOPPING}
    for row in rows:
        scripted_runtime.sees(row, phases.get(row.status))
    wait_for_comparisons(scripted_runtime)
    before = [status(row) for row in rows]
    with outage(part):
        time.sleep(OUTAGE)
    wait_for_comparisons(scripted_runtime)
    assert [status(row) for row in rows] == before


@pytest.mark.parametrize(("reason", "fails"), [("", "start_timeout"), ("unschedulable", "unschedulable")])
def test_time_in_which_it_was_seen_counts(scripted_runtime, controlled, starting, wait_for, reason, fails):
    scripted_runtime.sees(starting, Phase.CREATED, reason=reason)
    wait_for(lambda: status(starting) == (Status.FAILED, fails))
