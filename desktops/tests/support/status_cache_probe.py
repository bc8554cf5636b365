"""Helpers for tests of the status cache: act on a desktop and read its snapshot."""

from collections.abc import Callable

from accounts.audit import Actor
from core.redis import client
from desktops import selectors, services, status_cache
from desktops.desktop_snapshot import DesktopSnapshot
from desktops.lifecycle.runs import NO_ENDPOINT
from desktops.models import Desktop, Status
from desktops.runtimes.base import Observed, Phase, VNCEndpoint

SOCKET = VNCEndpoint("unix", "/run/a.sock")
THERE = {"endpoint_kind": "unix", "endpoint_address": SOCKET.address}


def known(desktop: Desktop) -> DesktopSnapshot:
    return selectors.snapshot_for(user_id=str(desktop.owner_id), pod_name=desktop.object_name)


def seen(desktop: Desktop, phase: Phase, **fields) -> Observed:
    endpoint = SOCKET if phase == Phase.READY else None
    given = {"run": desktop.run, "endpoint": endpoint} | fields
    return Observed(name=desktop.object_name, desktop_id=str(desktop.pk), phase=phase, **given)


def warm(desktop: Desktop) -> Desktop:
    desktop.notify_owner()
    assert in_redis(desktop)
    return desktop


def in_redis(desktop: Desktop) -> bool:
    return bool(client().exists(status_cache._snapshot_key(desktop.object_name)))


def stop(desktop: Desktop) -> None:
    services.stop_desktop(desktop=desktop, by=Actor(desktop.owner))


def assert_failed(desktop: Desktop) -> None:
    """Assert that reads report the failure: the first, which may find and skip an old snapshot, and later ones."""
    assert [known(desktop).status for _ in range(3)] == ["failed"] * 3


def fails(desktop: Desktop) -> Callable[[], bool]:
    return lambda: desktop.move(to=Status.FAILED, reason="vanished", **NO_ENDPOINT)
