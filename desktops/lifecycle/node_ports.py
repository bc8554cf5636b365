"""Node ports of desktops exposed by them. A lease is a row; that no port has two is the database's promise."""

import random
from datetime import timedelta

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from desktops.models import Desktop, PortLease
from desktops.runtimes.base import NodePorts, RuntimeFault

log = structlog.get_logger("podesk.ports")
# Then a port that was in use is tried again, which costs one call. Short, because it may have been one of our own
# Services, on its way out.
_MEMORY = timedelta(minutes=10)
_TRIES = 20  # others may take the same port at the same moment


def node_ports_of(desktop: Desktop) -> NodePorts | None:
    """The desktop's ports, leased now if it has none; None where desktops are not exposed by node port.

    Raises RuntimeFault when all ports of a range are taken.
    """
    if settings.DESKTOP_EXPOSURE != "nodeport":
        return None
    held = dict(PortLease.objects.filter(desktop=desktop).values_list("use", "port"))
    return NodePorts(**{use: held.get(use) or _lease(desktop, use) for use in ("vnc", "novnc", "ssh")})


def release(desktop: Desktop) -> None:
    """What a desktop at rest does not need, others may have."""
    PortLease.objects.filter(desktop=desktop).delete()


def remember_foreign(port: int) -> None:
    """The cluster has it in use: nobody gets it for a while, or until an administrator deletes the row."""
    log.warning("port_taken_by_something_else", port=port)
    PortLease.objects.update_or_create(
        port=port, defaults={"use": PortLease.Use.FOREIGN, "desktop": None, "since": timezone.now()}
    )


def _taken(wanted: range) -> set[int]:
    PortLease.objects.filter(use=PortLease.Use.FOREIGN, since__lt=timezone.now() - _MEMORY).delete()
    held = PortLease.objects.filter(port__gte=wanted.start, port__lt=wanted.stop)
    return set(held.values_list("port", flat=True))


def forget_foreign(port: int) -> bool:
    """It may be given out again; should the cluster still use it, it is remembered again. False: it is a desktop's."""
    return bool(PortLease.objects.filter(port=port, use=PortLease.Use.FOREIGN).delete()[0])


def _lease(desktop: Desktop, use: str) -> int:
    wanted = settings.DESKTOP_SSH_PORTS if use == "ssh" else settings.DESKTOP_VNC_PORTS
    for _ in range(_TRIES):
        free = sorted(set(wanted) - _taken(wanted))
        if not free:
            raise RuntimeFault("no_port_left", f"all of {wanted.start}-{wanted.stop - 1} are taken")
        port = random.choice(free)  # one just released may linger in the cluster for a moment
        try:
            with transaction.atomic():
                PortLease.objects.create(port=port, use=use, desktop=desktop)
        except IntegrityError:
            continue
        return port
    raise RuntimeFault("no_port_left", f"{_TRIES} ports in a row were taken by others first", permanent=False)
