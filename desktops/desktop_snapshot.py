"""A desktop as plain values, for the API. Texts and addresses are left out: they depend on the request."""

from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True)
class DesktopSnapshot:
    """Values that JSON can hold. Times are ISO 8601 in UTC."""

    id: str
    owner_id: str
    pod_name: str
    name: str
    status: str
    status_since: str
    reason: str
    reason_facts: dict[str, str]
    image: str
    size: str
    cpu: str  # cores, as written in a quota: "2", "0.5"
    memory_mib: int
    storage_gib: int
    gpu: int
    created_at: str
    started_at: str | None
    expires_at: str | None
    exposed_host: str
    exposed_vnc: int
    exposed_novnc: int
    exposed_ssh: int
    has_ssh: bool  # for SSH through the portal
    files_lost: bool  # its home folder is no longer in the runtime
    home_folder: dict[str, Any]  # its use, see Volume.home_folder


_NAMES = {field.name for field in fields(DesktopSnapshot)}


def snapshot_of(desktop: Any) -> DesktopSnapshot:
    """Return the snapshot of a models.Desktop. Reads its image and volume, so use select_related."""
    same = ("name", "status", "reason", "reason_facts", "memory_mib", "storage_gib", "gpu")
    exposed = ("exposed_host", "exposed_vnc", "exposed_novnc", "exposed_ssh")
    return DesktopSnapshot(
        id=str(desktop.pk),
        owner_id=str(desktop.owner_id),
        pod_name=desktop.object_name,
        status_since=_iso(desktop.status_since),
        image=desktop.image.name,
        size=desktop.size_name,
        has_ssh=desktop.endpoint_kind == "tcp",
        files_lost=desktop.volume.lost_at is not None,
        home_folder=desktop.volume.home_folder(),
        cpu=f"{desktop.cpu.normalize():f}",
        created_at=_iso(desktop.created_at),
        started_at=desktop.started_at and _iso(desktop.started_at),
        expires_at=desktop.expires_at and _iso(desktop.expires_at),
        **{field: getattr(desktop, field) for field in (*same, *exposed)},
    )


def to_dict(facts: DesktopSnapshot) -> dict[str, Any]:
    return asdict(facts)


def from_dict(values: dict[str, Any]) -> DesktopSnapshot | None:
    """Return None if another version of the portal wrote the values."""
    return DesktopSnapshot(**values) if values.keys() == _NAMES else None


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
