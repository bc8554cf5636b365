"""Node ports have one lease per port, even with parallel requests. Ports that the cluster itself uses are skipped."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from desktops.lifecycle import controller, node_ports, reconcile
from desktops.models import Desktop, PortLease, Status
from desktops.runtimes.base import NodePorts, Phase, RuntimeFault


@pytest.fixture(autouse=True)
def by_node_port(settings):
    settings.DESKTOP_EXPOSURE = "nodeport"
    settings.DESKTOP_VNC_PORTS = range(30000, 30004)
    settings.DESKTOP_SSH_PORTS = range(31001, 31003)


@pytest.fixture
def desktops(make_desktop, alice) -> Callable[[int], list[Desktop]]:
    return lambda count: [make_desktop(alice, name=f"desktop {number}") for number in range(count)]


def test_a_desktop_keeps_its_ports_until_it_rests(desktops):
    [desktop] = desktops(1)
    given = node_ports.node_ports_of(desktop)
    assert node_ports.node_ports_of(desktop) == given
    assert len({given.vnc, given.novnc}) == 2
    assert {given.vnc, given.novnc} <= set(range(30000, 30004))
    assert given.ssh in (31001, 31002)
    node_ports.release(desktop)
    assert not PortLease.objects.exists()


def test_other_exposures_lease_nothing(desktops, settings):
    settings.DESKTOP_EXPOSURE = "proxy"
    assert node_ports.node_ports_of(desktops(1)[0]) is None
    assert not PortLease.objects.exists()


def test_when_all_are_given_the_next_is_told_so(desktops):
    first, second, third = desktops(3)
    for desktop in (first, second):
        node_ports.node_ports_of(desktop)
    with pytest.raises(RuntimeFault, match="no_port_left"):
        node_ports.node_ports_of(third)
    node_ports.release(first)
    assert isinstance(node_ports.node_ports_of(third), NodePorts)


def test_a_port_of_something_else_is_skipped_for_a_while(desktops):
    [desktop] = desktops(1)
    taken = node_ports.node_ports_of(desktop).ssh
    node_ports.remember_foreign(taken)
    assert node_ports.node_ports_of(desktop).ssh != taken
    assert PortLease.objects.get(port=taken).use == "foreign"
    PortLease.objects.filter(port=taken).update(since=timezone.now() - timedelta(minutes=11))
    node_ports.release(desktop)
    node_ports.node_ports_of(desktop)
    assert not PortLease.objects.filter(use="foreign").exists()


def test_deleting_the_desktop_frees_its_ports(desktops):
    [desktop] = desktops(1)
    node_ports.node_ports_of(desktop)
    desktop.delete()
    assert not PortLease.objects.exists()


def test_a_failed_desktop_gives_its_ports_back_when_nothing_of_it_is_left(desktops, scripted_runtime, settings):
    """In a range for one desktop, no other desktop gets the ports while the Service may still exist."""
    settings.DESKTOP_VNC_PORTS, settings.DESKTOP_SSH_PORTS = range(30000, 30002), range(31001, 31002)
    failed, next_one = desktops(2)
    given = node_ports.node_ports_of(failed)
    Desktop.objects.filter(pk=failed.pk).update(status=Status.FAILED)
    scripted_runtime.sees(failed, Phase.STOPPING)
    controller.compare_all()
    with pytest.raises(RuntimeFault, match="no_port_left"):
        node_ports.node_ports_of(next_one)
    scripted_runtime.sees(failed, None)
    controller.compare_all()
    again = node_ports.node_ports_of(next_one)
    assert {again.vnc, again.novnc, again.ssh} == {given.vnc, given.novnc, given.ssh}


@pytest.mark.parametrize("status", [Status.STOPPING, Status.DELETING])
def test_a_range_with_room_for_one_serves_one_after_the_other(desktops, scripted_runtime, settings, status):
    settings.DESKTOP_VNC_PORTS, settings.DESKTOP_SSH_PORTS = range(30000, 30002), range(31001, 31002)
    for desktop in desktops(3):
        given = node_ports.node_ports_of(desktop)
        assert ({given.vnc, given.novnc}, given.ssh) == ({30000, 30001}, 31001)
        Desktop.objects.filter(pk=desktop.pk).update(status=status)
        scripted_runtime.sees(desktop, Phase.STOPPING)
        controller.compare_all()
        assert PortLease.objects.filter(desktop=desktop).count() == 3  # its Service still uses them
        scripted_runtime.sees(desktop, None)
        controller.compare_all()


@pytest.mark.parametrize("status", [Status.PENDING, Status.STARTING, Status.RUNNING, Status.STOPPING])
def test_a_desktop_that_has_not_failed_keeps_them_whatever_is_seen(desktops, status, scripted_runtime):
    [desktop] = desktops(1)
    node_ports.node_ports_of(desktop)
    Desktop.objects.filter(pk=desktop.pk).update(status=status)
    reconcile.free_ports((), timezone.now())
    assert PortLease.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_many_at_once_get_different_ports(desktops, settings):
    settings.DESKTOP_VNC_PORTS, settings.DESKTOP_SSH_PORTS = range(30000, 30016), range(31001, 31009)

    def lease(desktop: Desktop) -> NodePorts:
        try:
            return node_ports.node_ports_of(desktop)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(lease, desktops(8)))
    used = [port for each in given for port in (each.vnc, each.novnc, each.ssh)]
    assert len(set(used)) == len(used) == 24
