"""The reason why a start waits is written and sent once. Each reason has its own timeout."""

from datetime import timedelta

import pytest
from django.utils import timezone

from desktops.lifecycle import reconcile, start_timeouts
from desktops.models import Desktop, DesktopEvent, Status
from desktops.runtimes.base import Observed, Phase
from desktops.wording.reasons import WAITING


def waits(desktop: Desktop, reason: str) -> Observed:
    return Observed(desktop.object_name, str(desktop.pk), desktop.run, Phase.CREATED, reason=reason, detail="0/1 nodes")


pytestmark = pytest.mark.usefixtures("long_watched")


@pytest.fixture
def starting(make_desktop, alice):
    return make_desktop(alice, status=Status.STARTING)


@pytest.fixture
def settle(starting, django_capture_on_commit_callbacks):
    """Return a function that reconciles the row with a start that waits for a reason, and returns the row."""

    def go(reason: str) -> Desktop:
        with django_capture_on_commit_callbacks(execute=True):
            reconcile.reconcile_desktop(Desktop.objects.get(pk=starting.pk), waits(starting, reason))
        starting.refresh_from_db()
        return starting

    return go


@pytest.fixture
def earlier(starting):
    """Return a function that moves the times of the row into the past."""

    def go(seconds: float) -> None:
        past = timezone.now() - timedelta(seconds=seconds)
        DesktopEvent.objects.filter(desktop=starting).update(at=past)
        Desktop.objects.filter(pk=starting.pk).update(status_since=past)
        Desktop.objects.filter(pk=starting.pk, reason_since__isnull=False).update(reason_since=past)

    return go


def test_the_reason_is_written_once(settle):
    for _ in range(3):
        assert settle("unschedulable").reason == "unschedulable"
    event = settle("unschedulable").events.get(kind="waiting")
    assert event.params == {"reason": "unschedulable", "detail": "0/1 nodes"}


@pytest.mark.parametrize("reason", WAITING)
def test_a_start_waits_as_long_as_its_reason_allows_and_no_longer(settle, earlier, queued, reason):
    settle(reason)
    earlier(WAITING[reason].timeout - 5)
    assert settle(reason).status == Status.STARTING
    earlier(WAITING[reason].timeout + 5)
    desktop = settle(reason)
    assert (desktop.status, desktop.reason) == (Status.FAILED, reason)
    assert queued() == [("stop_desktop", str(desktop.pk))]


def test_two_reasons_in_turn_gain_no_time(settle, earlier):
    settle("image_pull_failed")
    earlier(WAITING["image_pull_failed"].timeout + 5)
    assert settle("image_pulling").status == Status.STARTING
    assert settle("image_pull_failed").status == Status.FAILED


def test_without_a_reason_the_clock_starts_when_the_last_one_went(settle, earlier, settings):
    settle("unschedulable")
    earlier(settings.START_DEADLINE + 5)
    assert settle("").status == Status.STARTING
    earlier(settings.START_DEADLINE + 5)
    desktop = settle("")
    assert (desktop.status, desktop.reason) == (Status.FAILED, "start_timeout")


def test_the_page_says_what_it_waits_for(settle, client_for, alice):
    desktop = settle("unschedulable")
    page = client_for(alice).get(f"/desktops/{desktop.pk}/").content.decode()
    assert "has no room for it at present" in page


def test_to_go_on_waiting_costs_no_query(settle, starting, django_assert_num_queries):
    """Any number of desktops may wait without load on the database."""
    settle("unschedulable")
    row = Desktop.objects.get(pk=starting.pk)
    with django_assert_num_queries(2):  # begin and end of this test's savepoint
        reconcile.reconcile_desktop(row, waits(starting, "unschedulable"))


def test_reason_of_a_postponed_start_keeps_its_timeout(starting, earlier, queued):
    start_timeouts.set_reason(starting, "still_stopping", "waited for the pod of an earlier run to end")
    for age, status in ((WAITING["still_stopping"].timeout - 5, "starting"), (500, "failed")):
        earlier(age)
        reconcile.reconcile_desktop(Desktop.objects.get(pk=starting.pk), None)
        starting.refresh_from_db()
        assert (starting.status, starting.reason) == (status, "still_stopping")


def test_nothing_seen_of_what_had_begun_has_the_time_of_every_start(starting, earlier, settings):
    start_timeouts.set_reason(starting, "image_pulling", "")
    earlier(settings.START_DEADLINE + 5)
    reconcile.reconcile_desktop(Desktop.objects.get(pk=starting.pk), None)
    starting.refresh_from_db()
    assert (starting.status, starting.reason) == ("failed", "start_timeout")
