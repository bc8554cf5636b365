"""Leases of node ports for exposed desktops. A unique row per port prevents double use."""

import random
from datetime import timedelta

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from desktops.models import Desktop, PortLease
from desktops.runtimes.base import NodePorts, RuntimeFault

log = structlog.get_logger("podesk.ports")
# Retry a port that was in use after this time. It costs one call. It is short, because the port may have belonged to
# one of our own Services that was being deleted.
_MEMORY = timedelta(minutes=10)
_TRIES = 20  # another start may take the same port at the same moment


def node_ports_of(desktop: Desktop) -> NodePorts | None:
    """Return the desktop's ports, leasing new ones if needed, or None if desktops are not exposed by node port.

    Raises RuntimeFault if all ports of a range are in use.
    """
    if settings.DESKTOP_EXPOSURE != "nodeport":
        return None
    held = dict(PortLease.objects.filter(desktop=desktop).values_list("use", "port"))
    return NodePorts(**{use: held.get(use) or _lease(desktop, use) for use in ("vnc", "novnc", "ssh")})


def release(desktop: Desktop) -> None:
    """Release the ports of a desktop at rest."""
    PortLease.objects.filter(desktop=desktop).delete()


def remember_foreign(port: int) -> None:
    """Record that the cluster uses this port for something else.

    It is not leased until the record expires or is deleted.
    """
    log.warning("port_taken_by_something_else", port=port)
    PortLease.objects.update_or_create(
        port=port, defaults={"use": PortLease.Use.FOREIGN, "desktop": None, "since": timezone.now()}
    )


def _taken(wanted: range) -> set[int]:
    PortLease.objects.filter(use=PortLease.Use.FOREIGN, since__lt=timezone.now() - _MEMORY).delete()
    held = PortLease.objects.filter(port__gte=wanted.start, port__lt=wanted.stop)
    return set(held.values_list("port", flat=True))


def forget_foreign(port: int) -> bool:
    """Make a foreign port available again. Returns False if the port belongs to a desktop."""
    return bool(PortLease.objects.filter(port=port, use=PortLease.Use.FOREIGN).delete()[0])


def _lease(desktop: Desktop, use: str) -> int:
    wanted = settings.DESKTOP_SSH_PORTS if use == "ssh" else settings.DESKTOP_VNC_PORTS
    for _ in range(_TRIES):
        free = sorted(set(wanted) - _taken(wanted))
        if not free:
            raise RuntimeFault("no_port_left", f"all of {wanted.start}-{wanted.stop - 1} are in use")
        port = random.choice(free)  # random, because a port that was just released may still be in use for a moment
        try:
            with transaction.atomic():
                PortLease.objects.create(port=port, use=use, desktop=desktop)
        except IntegrityError:
            continue
        return port
    raise RuntimeFault("no_port_left", f"{_TRIES} ports in a row were taken by others first", permanent=False)
