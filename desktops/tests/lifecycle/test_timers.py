"""Idle and expired desktops are stopped. Others are not."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import SessionToken
from desktops.lifecycle.timers import prune_daily, run_timers
from desktops.models import Status


def ago(minutes: int):
    return timezone.now() - timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("fields", "status", "reason"),
    [
        ({"idle_minutes": 30, "last_input_at": 31}, Status.STOPPING, "idle"),
        ({"idle_minutes": 30, "last_input_at": 29}, Status.RUNNING, ""),
        ({"idle_minutes": 0, "last_input_at": 9999}, Status.RUNNING, ""),
        ({"expires_at": 1}, Status.STOPPING, "expired"),
        ({"expires_at": -1}, Status.RUNNING, ""),
        ({"expires_at": 1, "idle_minutes": 30, "last_input_at": 31}, Status.STOPPING, "expired"),
    ],
)
def test_timers(make_desktop, alice, fields, status, reason):
    times = {name: value if name == "idle_minutes" else ago(value) for name, value in fields.items()}
    desktop = make_desktop(alice, status=Status.RUNNING, **times)
    run_timers()
    desktop.refresh_from_db()
    assert (desktop.status, desktop.reason) == (status, reason)


def test_idle_cuts_the_stream_with_its_reason(
    make_desktop, alice, disconnects, queued, django_capture_on_commit_callbacks
):
    desktop = make_desktop(alice, status=Status.RUNNING, idle_minutes=1, last_input_at=ago(5))
    with django_capture_on_commit_callbacks(execute=True):
        run_timers()
    assert [cut.reason for cut in disconnects()] == ["idle"]
    assert queued() == [("stop_desktop", str(desktop.pk))]


def test_one_query_however_many_run(make_desktop, alice, django_assert_num_queries):
    for number in range(5):
        make_desktop(alice, name=f"d{number}", status=Status.RUNNING)
    with django_assert_num_queries(1):
        run_timers()


def test_old_tokens_go_once_a_day(alice):
    def make_old() -> None:
        SessionToken.objects.create(user=alice, session_id="s", expires_at=timezone.now() - timedelta(days=31))

    make_old()
    prune_daily()
    assert not SessionToken.objects.exists()
    make_old()
    prune_daily()
    assert SessionToken.objects.count() == 1  # tomorrow
