"""The content of a session token for one desktop, for the viewer, the ingress auth check and the API."""

from decimal import Decimal

from accounts.quotas import memory_quantity
from accounts.tokens import TokenScope
from desktops.desktop_snapshot import DesktopSnapshot
from desktops.models import Desktop, DesktopSize

SUBPROTOCOL = "binary"  # of the VNC stream; the viewer offers the session token beside it


def desktop_token_scope(desktop: Desktop, *, session_id: str, permissions: tuple[str, ...] = ("vnc",)) -> TokenScope:
    return TokenScope(
        session_id=session_id,
        pod_name=desktop.object_name,
        permissions=permissions,
        resource_quota=quantities(desktop),
    )


def quantities(desktop: Desktop | DesktopSize | DesktopSnapshot) -> dict[str, str]:
    """Return the desktop's resources in Kubernetes notation."""
    return {
        "cpu": f"{Decimal(desktop.cpu).normalize():f}",
        "memory": memory_quantity(desktop.memory_mib),
        "storage": f"{desktop.storage_gib}Gi",
    }
