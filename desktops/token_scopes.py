"""What a session token for one desktop says: the same for the viewer, the gate and the API."""

from decimal import Decimal

from accounts.quotas import memory_quantity
from accounts.tokens import TokenScope
from desktops.desktop_snapshot import Facts
from desktops.models import Desktop, DesktopSize

# How it is shown to a WebSocket where no header can be set: as one of the subprotocols, beside the one that is spoken.
SUBPROTOCOL = "binary"
TOKEN_PREFIX = "podesk.token."  # noqa: S105 - what stands before one  # nosec B105


def of(desktop: Desktop, *, session_id: str, permissions: tuple[str, ...] = ("vnc",)) -> TokenScope:
    return TokenScope(
        session_id=session_id,
        pod_name=desktop.object_name,
        permissions=permissions,
        resource_quota=quantities(desktop),
    )


def quantities(desktop: Desktop | DesktopSize | Facts) -> dict[str, str]:
    """What it has, as Kubernetes writes it."""
    return {
        "cpu": f"{Decimal(desktop.cpu).normalize():f}",
        "memory": memory_quantity(desktop.memory_mib),
        "storage": f"{desktop.storage_gib}Gi",
    }
