"""A change of a desktop's size applies from its next start, and never interrupts a desktop that runs."""

from decimal import Decimal

import pytest

from accounts.audit import Actor
from accounts.models import AuditEvent, Quota
from desktops import services
from desktops.exceptions import BeingDeleted, DesktopNotFound, LargerWhileActive, QuotaExceeded
from desktops.lifecycle import jobs, reconcile
from desktops.lifecycle.desktop_size import ComputeSize, resize_desktop
from desktops.models import Desktop, DesktopRun, Status
from desktops.quota import use_of
from desktops.wording import timeline

LESS = ComputeSize(Decimal("0.5"), 512)
MORE = ComputeSize(Decimal(2), 4096)


@pytest.fixture
def by(admin) -> Actor:
    return Actor(admin)


def amounts(desktop: Desktop) -> tuple[Decimal, int]:
    desktop.refresh_from_db()
    return desktop.cpu, desktop.memory_mib


@pytest.mark.parametrize("status", [Status.STOPPED, Status.FAILED])
def test_at_rest_it_is_changed_at_once(alice, make_desktop, by, status):
    desktop = make_desktop(alice, status=status)
    resize_desktop(desktop=desktop, size=LESS, by=by)
    assert amounts(desktop) == (Decimal("0.5"), 512)
    assert (desktop.size_name, desktop.next_cpu, desktop.next_memory_mib) == ("", None, None)


def test_size_that_the_image_has_gets_its_name(alice, make_desktop, small, by):
    desktop = make_desktop(alice)
    resize_desktop(desktop=desktop, size=MORE, by=by)
    resize_desktop(desktop=desktop, size=ComputeSize(small.cpu, small.memory_mib), by=by)
    assert amounts(desktop) == (small.cpu, small.memory_mib)
    assert desktop.size_name == small.name


@pytest.mark.parametrize("status", [Status.RUNNING, Status.STARTING, Status.STOPPING])
def test_active_one_keeps_its_amounts(alice, make_desktop, small, by, status):
    desktop = make_desktop(alice, status=status)
    resize_desktop(desktop=desktop, size=LESS, by=by)
    assert amounts(desktop) == (small.cpu, small.memory_mib)
    assert ComputeSize.of_next_start(desktop) == LESS


def test_next_start_has_the_new_size(alice, make_desktop, by):
    desktop = make_desktop(alice, status=Status.RUNNING)
    resize_desktop(desktop=desktop, size=LESS, by=by)
    Desktop.objects.filter(pk=desktop.pk).update(status=Status.STOPPED)
    services.start_desktop(desktop=desktop, by=Actor(alice))
    assert amounts(desktop) == (Decimal("0.5"), 512)
    assert jobs.spec_of(desktop).memory_mib == 512
    assert DesktopRun.objects.get(desktop_id=desktop.pk, run=desktop.run).cpu == Decimal("0.5")
    assert desktop.next_cpu is None


def test_quota_is_checked_with_the_new_size(alice, make_desktop, by):
    Quota.objects.create(user=alice, cpu=Decimal("0.5"), memory_mib=512)
    desktop = make_desktop(alice)
    with pytest.raises(QuotaExceeded):
        services.start_desktop(desktop=desktop, by=Actor(alice))
    Desktop.objects.filter(pk=desktop.pk).update(next_cpu=Decimal("0.5"), next_memory_mib=512)
    services.start_desktop(desktop=desktop, by=Actor(alice))
    assert use_of(alice).memory_mib == 512


def test_restart_has_the_new_size(alice, make_desktop, by):
    desktop = make_desktop(alice, status=Status.STOPPING, restarting=True)
    resize_desktop(desktop=desktop, size=LESS, by=by)
    reconcile.reconcile_desktop(Desktop.objects.get(pk=desktop.pk), None)
    assert amounts(desktop) == (Decimal("0.5"), 512)
    assert desktop.status == Status.PENDING


def test_active_one_does_not_become_larger(alice, make_desktop, small, by):
    desktop = make_desktop(alice, status=Status.RUNNING)
    for size in (ComputeSize(small.cpu * 2, small.memory_mib), ComputeSize(small.cpu, small.memory_mib * 2)):
        with pytest.raises(LargerWhileActive):
            resize_desktop(desktop=desktop, size=size, by=by)
    desktop.refresh_from_db()
    assert desktop.next_cpu is None


def test_set_back_before_the_next_start(alice, make_desktop, small, by):
    desktop = make_desktop(alice, status=Status.RUNNING)
    resize_desktop(desktop=desktop, size=LESS, by=by)
    resize_desktop(desktop=desktop, size=ComputeSize(small.cpu, small.memory_mib), by=by)
    desktop.refresh_from_db()
    assert ComputeSize.of_next_start(desktop) == ComputeSize(small.cpu, small.memory_mib)


def test_deleted_ones(alice, make_desktop, by):
    desktop = make_desktop(alice, status=Status.DELETING)
    with pytest.raises(BeingDeleted):
        resize_desktop(desktop=desktop, size=LESS, by=by)
    Desktop.objects.all().delete()
    with pytest.raises(DesktopNotFound):
        resize_desktop(desktop=desktop, size=LESS, by=by)


def test_audit_has_the_size_before(alice, make_desktop, small, by):
    desktop = make_desktop(alice)
    resize_desktop(desktop=desktop, size=LESS, by=by)
    details = AuditEvent.objects.get(action="desktop.resize").details
    before = {"cpu": f"{small.cpu.normalize():f}", "memory_mib": small.memory_mib}
    assert details == {"name": "desktop", "cpu": "0.5", "memory_mib": 512, "before": before}


def test_owner_sees_it_in_the_timeline(alice, make_desktop, by):
    desktop = make_desktop(alice, status=Status.RUNNING)
    resize_desktop(desktop=desktop, size=LESS, by=by)
    [line] = timeline.lines(desktop.events.all())
    assert line.sentence == "An administrator changed its size"
    assert line.why == "From the next start, it has 0.5 cores and 512 MiB of memory."
