"""Workers record how much of its home folder a desktop uses, as its session claims."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from structlog.testing import capture_logs

from desktops.lifecycle import home_usage, jobs
from desktops.lifecycle.controller import Controller
from desktops.models import Desktop, Status, Volume
from desktops.runtimes.home_usage import HomeUsage
from desktops.tests.support.api_client import script_of

GIB = 2**30
AT = timezone.now().replace(microsecond=0) - timedelta(minutes=1)


@pytest.fixture
def desktop(make_desktop, alice) -> Desktop:
    return make_desktop(alice, status=Status.RUNNING)  # 5 GiB


@pytest.fixture
def measured(desktop, scripted_runtime):
    """Return a function that lets the session claim something, and reads it as a worker does."""

    def measure(used: int | None, usable: int | None = 100 * GIB, at: datetime = AT) -> Volume:
        scripted_runtime.home_usages[desktop.object_name] = HomeUsage(at, used, usable)
        home_usage.read_home_usage(str(desktop.pk))
        return Volume.objects.get(pk=desktop.volume_id)

    return measure


@pytest.mark.parametrize(
    ("used", "usable", "percent", "level", "enforced"),
    [
        (0, 100 * GIB, 0, "ok", False),
        (4 * GIB - 1, 100 * GIB, 79, "ok", False),
        (4 * GIB, 100 * GIB, 80, "nearly_full", False),
        (4 * GIB, 4.5 * GIB, 88, "nearly_full", True),  # a file system of its own holds less than its size
        (4.75 * GIB, 5 * GIB, 95, "almost_full", True),
        (9 * GIB, 100 * GIB, 180, "almost_full", False),
        (1, 0, 0, "ok", True),
    ],
)
def test_a_measurement_is_recorded(measured, used, usable, percent, level, enforced):
    volume = measured(int(used), int(usable))
    assert (volume.used_bytes, volume.used_measured_at) == (int(used), AT)
    assert (volume.used_percent, volume.fill_level, volume.is_limit_enforced) == (percent, level, enforced)
    [in_database] = Volume.objects.annotate(fill=Volume.fill_expression())
    assert int(in_database.fill) == percent


def test_what_a_session_claims_has_limits(measured):
    volume = measured(10**15 - 1, 10**15 - 1, at=timezone.now() + timedelta(days=900))
    assert volume.used_bytes == 50 * GIB
    assert volume.used_measured_at <= timezone.now()


def test_a_measurement_without_an_end_leaves_the_last_figure_with_its_age(measured):
    measured(GIB)
    volume = measured(None, None, at=AT + timedelta(minutes=5))
    assert (volume.used_bytes, volume.used_measured_at, volume.measurement_unfinished) == (GIB, AT, True)
    volume = measured(2 * GIB, at=AT + timedelta(minutes=9))
    assert (volume.used_bytes, volume.measurement_unfinished) == (2 * GIB, False)


def test_the_same_measurement_is_written_once(measured, desktop, django_assert_num_queries):
    measured(GIB)
    with django_assert_num_queries(1):
        home_usage.read_home_usage(str(desktop.pk))


def test_scripts_see_it_at_once(measured, desktop, alice, django_capture_on_commit_callbacks):
    script = script_of(alice)
    address = f"pods/{desktop.object_name}"
    for used in (1, 2):
        with django_capture_on_commit_callbacks(execute=True):
            measured(used * GIB, at=AT + timedelta(seconds=used))
        assert script.get(address).json()["home_folder"] == {
            "used_bytes": used * GIB,
            "limit_bytes": 5 * GIB,
            "used_percent": 20 * used,
            "level": "ok",
            "limit_enforced": False,
            "measured_at": (AT + timedelta(seconds=used)).astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "measurement_unfinished": False,
        }


def test_pages_are_notified_when_the_warning_changes(measured):
    with capture_logs() as lines:
        for minute, used in enumerate((1, 2, 4, 4.1, 3)):
            measured(int(used * GIB), at=AT + timedelta(minutes=minute))
    levels = [line["fill"] for line in lines if line["event"] == "home_usage_changed"]
    assert levels == ["ok", "nearly_full", "ok"]


def test_an_unavailable_runtime_changes_nothing(measured, desktop, scripted_runtime):
    measured(GIB)
    scripted_runtime.unavailable = True
    volume = measured(2 * GIB, at=timezone.now())
    assert volume.used_bytes == GIB


@pytest.mark.parametrize("status", Status.values)
def test_only_running_desktops_are_read(measured, desktop, status):
    Desktop.objects.update(status=status)
    assert measured(GIB).used_bytes == (GIB if status == Status.RUNNING else None)


@pytest.mark.parametrize(
    ("status", "keep", "is_read"),
    [
        (Status.STOPPING, True, True),
        (Status.STOPPED, True, True),  # ended by itself
        (Status.FAILED, True, True),
        (Status.DELETING, True, True),
        (Status.DELETING, False, False),
    ],
)
def test_a_stop_reads_it_a_last_time(desktop, scripted_runtime, status, keep, is_read):
    Desktop.objects.update(status=status, keep_data=keep)
    scripted_runtime.home_usages[desktop.object_name] = HomeUsage(AT, GIB, GIB)
    jobs.stop_desktop(str(desktop.pk))
    assert Volume.objects.get().used_bytes == (GIB if is_read else None)
    scripted_runtime.home_usages[desktop.object_name] = HomeUsage(AT + timedelta(minutes=1), 2 * GIB, GIB)
    jobs.stop_desktop(str(desktop.pk))  # a repeat does not ask again, because the machine may be lost
    assert Volume.objects.get().used_bytes == (GIB if is_read else None)


def test_a_first_round_reads_all_running_desktops(make_desktop, alice, queued):
    desktops = [make_desktop(alice, name=str(number), status=Status.RUNNING) for number in range(5)]
    make_desktop(alice, name="stopped", status=Status.STOPPED)
    home_usage.queue_readings()
    assert set(queued()) == {("read_home_usage", str(desktop.pk)) for desktop in desktops}


def test_each_slot_is_due_once_in_three_minutes():
    assert home_usage.SLOTS * home_usage.SLOT_SECONDS == 180
    now = 180_000_000
    assert home_usage.due_slots(now, now) == set()
    rounds = [home_usage.due_slots(now + n, now + n + 1) for n in range(home_usage.SLOTS)]
    assert sorted(slot for due in rounds for slot in due) == list(range(home_usage.SLOTS))
    assert len(home_usage.due_slots(now, now + 3)) == 3  # a late round
    assert len(home_usage.due_slots(now - 1000, now)) == home_usage.SLOTS  # without a leader for long
    assert home_usage.due_slots(now + 5, now) == set()  # the clock of another controller was ahead


def test_one_query_however_many(make_desktop, alice, django_assert_num_queries):
    for number in range(5):
        make_desktop(alice, name=str(number), status=Status.RUNNING)
    with django_assert_num_queries(1):
        home_usage.queue_readings()


def test_the_controller_queues_readings(desktop, queued, runtime):
    turns = iter((False, True))
    Controller(lambda: next(turns)).run()
    assert ("read_home_usage", str(desktop.pk)) in queued()
