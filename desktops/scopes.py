"""What a session token for one desktop says: the same for the viewer, the gate and the API."""

from accounts.tokens import TokenScope
from desktops.models import Desktop


def of(desktop: Desktop, *, session_id: str, permissions: tuple[str, ...] = ("vnc",)) -> TokenScope:
    return TokenScope(
        session_id=session_id,
        pod_name=desktop.object_name,
        permissions=permissions,
        resource_quota={
            "cpu": f"{desktop.cpu.normalize():f}",
            "memory": f"{desktop.memory_mib}Mi",
            "storage": f"{desktop.storage_gib}Gi",
        },
    )
