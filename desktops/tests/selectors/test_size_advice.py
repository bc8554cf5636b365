"""The rule by which desktops that reserve too much are found, and what is proposed for them."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.audit import Actor
from desktops.lifecycle.desktop_size import ComputeSize, resize_desktop
from desktops.models import Desktop, DesktopRun, RunUsage, Status
from desktops.selectors.size_advice import size_advice, size_changes

HOUR = 60  # samples


@pytest.fixture(autouse=True)
def _each_minute(settings):
    settings.USAGE_SAMPLE_SECONDS = 60


@pytest.fixture
def large(alice, make_desktop) -> Desktop:
    return make_desktop(alice, cpu=Decimal(4), memory_mib=8192, status=Status.RUNNING)


def ran(desktop: Desktop, *, cpu: float, memory: float, **fields) -> None:
    """Record a run of the desktop that used at most these cores and MiB."""
    samples, ended = fields.pop("samples", 20 * HOUR), fields.pop("ended", None)
    size = {"cpu": desktop.cpu, "memory_mib": desktop.memory_mib, "storage_gib": 1, "gpu": 0} | fields
    number = DesktopRun.objects.count() + 1
    run = DesktopRun.objects.create(desktop_id=desktop.pk, run=number, owner=desktop.owner, ended_at=ended, **size)
    RunUsage.objects.create(
        run=run,
        sampled_at=timezone.now(),
        samples=samples,
        **{
            "cpu_max": cpu,
            "memory_max": memory,
            "cpu_histogram": {"-5": samples},
            "memory_histogram": {"125": samples},
        },
    )


def proposals() -> list[ComputeSize]:
    return [each.proposed for each in size_advice()]


def test_asks_for_four_cores_and_never_used_more_than_point_six(large):
    ran(large, cpu=0.6, memory=1200, samples=37 * HOUR)
    ran(large, cpu=0.2, memory=700, samples=HOUR)
    [found] = size_advice()
    assert (found.desktop, found.hours) == (large, 38)
    assert (found.cpu.maximum, found.memory.maximum) == (0.6, 1200)
    assert found.proposed == ComputeSize(Decimal(1), 2048)  # 0.75 cores and 1800 MiB, rounded up


@pytest.mark.parametrize(
    ("cpu", "memory", "proposed"),
    [
        (2.0, 8000, (Decimal("2.5"), 8192)),  # half of the cores; nearly all of the memory
        (3.9, 4096, (Decimal(4), 6144)),
        (0.0, 1, (Decimal("0.5"), 1024)),  # no less than this
        (2.01, 4097, None),  # more than half of each
    ],
)
def test_each_resource_by_itself(large, cpu, memory, proposed):
    ran(large, cpu=cpu, memory=memory)
    assert proposals() == ([ComputeSize(*proposed)] if proposed else [])


def test_one_busy_run_is_enough_to_keep_the_size(large):
    ran(large, cpu=0.1, memory=8000)
    ran(large, cpu=3.5, memory=8000, samples=1)
    assert proposals() == []


def test_a_short_time_proves_nothing(large):
    ran(large, cpu=0.1, memory=100, samples=10 * HOUR - 1)
    assert proposals() == []
    ran(large, cpu=0.1, memory=100, samples=1)
    assert len(proposals()) == 1


def test_older_runs_are_ignored(large):
    ran(large, cpu=0.1, memory=100, ended=timezone.now() - timedelta(days=31))
    assert proposals() == []
    ran(large, cpu=0.1, memory=100, ended=timezone.now() - timedelta(days=29))
    assert len(proposals()) == 1


def test_size_that_cannot_be_smaller(alice, make_desktop):
    ran(make_desktop(alice, cpu=Decimal("0.5"), memory_mib=1024), cpu=0.01, memory=10)
    assert proposals() == []


def test_deleted_desktops_are_not_listed(large):
    ran(large, cpu=0.1, memory=100)
    Desktop.objects.update(status=Status.DELETING)
    assert proposals() == []
    Desktop.objects.all().delete()
    assert proposals() == []


def test_what_was_made_smaller_is_not_listed_again(large, admin):
    ran(large, cpu=0.6, memory=1200)
    resize_desktop(desktop=large, size=proposals()[0], by=Actor(admin))
    assert proposals() == []
    [change] = size_changes()
    assert (change.before, change.size) == (ComputeSize(Decimal(4), 8192), ComputeSize(Decimal(1), 2048))
    assert change.by == admin.username


def test_without_samples(large, settings):
    ran(large, cpu=0.1, memory=100)
    settings.USAGE_SAMPLE_SECONDS = 0
    assert proposals() == []


def test_largest_first(alice, make_desktop):
    for cores in (2, 8, 4):
        desktop = make_desktop(alice, name=str(cores), object_name=str(cores), cpu=Decimal(cores), memory_mib=1024)
        ran(desktop, cpu=0.1, memory=1024)
    assert [each.desktop.name for each in size_advice()] == ["8", "4", "2"]


@pytest.mark.parametrize("count", [2, 30])
def test_queries_do_not_grow(alice, make_desktop, admin, django_assert_num_queries, count):
    for number in range(count):
        desktop = make_desktop(alice, name=str(number), cpu=Decimal(4), memory_mib=8192)
        ran(desktop, cpu=0.1, memory=100)
        ran(desktop, cpu=0.1, memory=100)
        if number % 2:
            resize_desktop(desktop=desktop, size=ComputeSize(Decimal(2), 4096), by=Actor(admin))
    with django_assert_num_queries(3):
        assert len(size_advice()) == count
    with django_assert_num_queries(2):
        assert len(size_changes()) == count // 2
