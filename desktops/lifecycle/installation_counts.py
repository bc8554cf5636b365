"""Count what the whole installation has, for metrics and the overview. Each function needs one query."""

from dataclasses import dataclass

from django.conf import settings
from django.db.models import Case, Count, Q, Sum, Value, When
from django.db.models.functions import Coalesce

from desktops.models import PortLease, Volume
from desktops.models.volume import ALMOST_FULL, NEARLY_FULL

VOLUME_STATES = ("in_use", "kept", "deleting", "lost")


@dataclass(frozen=True)
class NodePortUse:
    """The node ports of one range. `foreign`: something else in the cluster uses them."""

    range: str  # vnc or ssh
    leased: int
    foreign: int
    free: int


def volumes_by_state() -> dict[str, dict[str, int]]:
    """Return number, GiB, used bytes and the number of nearly full ones of the home folders in each state."""
    state = Case(
        When(lost_at__isnull=False, then=Value("lost")),
        When(desktop__isnull=False, then=Value("in_use")),
        When(kept_at__isnull=False, then=Value("kept")),
        default=Value("deleting"),
    )
    sums = {"count": Count("pk"), "gib": Sum("storage_gib"), "used": Coalesce(Sum("used_bytes"), 0)}
    sums |= {f"from_{percent}": Count("pk", filter=Q(fill__gte=percent)) for percent in (NEARLY_FULL, ALMOST_FULL)}
    rows = Volume.objects.annotate(state=state, fill=Volume.fill_expression()).order_by().values_list("state")
    found = {name: dict(zip(sums, numbers, strict=True)) for name, *numbers in rows.annotate(**sums)}
    return {name: found.get(name, dict.fromkeys(sums, 0)) for name in VOLUME_STATES}


def node_port_use() -> list[NodePortUse]:
    """Return the use of each range of node ports, or nothing if desktops are not exposed by node port."""
    if settings.DESKTOP_EXPOSURE != "nodeport":
        return []
    ranges = {"vnc": settings.DESKTOP_VNC_PORTS, "ssh": settings.DESKTOP_SSH_PORTS}
    leases = list(PortLease.objects.values_list("port", "use"))
    found = []
    for name, ports in ranges.items():
        uses = [use for port, use in leases if port in ports]
        foreign = uses.count(PortLease.Use.FOREIGN)
        found.append(NodePortUse(name, len(uses) - foreign, foreign, len(ports) - len(uses)))
    return found
