"""What only the leading controller knows: certificate, disk, machines, backups of the database. Others read it here."""

import json
from dataclasses import asdict, dataclass, field

import structlog

from core.redis import client, key
from desktops.lifecycle import database_backups, portal_certificate
from desktops.runtimes import get_runtime
from desktops.runtimes.base import MachineCapacity, RuntimeFault, RuntimeUnknown, StorageSpace

log = structlog.get_logger("podesk.leader_report")
EVERY = 60  # seconds between two reports
_KEPT = 3 * EVERY


@dataclass(frozen=True)
class DatabaseBackupState:
    kind: str  # daily_copy or repository
    last_success: float  # Unix time; 0 if there is none
    failed: bool  # the last one


@dataclass(frozen=True)
class LeaderReport:
    """Its values are None or empty if they are not known here."""

    certificate_expires_at: float | None = None  # Unix time
    storage: StorageSpace | None = None
    machines: MachineCapacity | None = None
    backups: list[DatabaseBackupState] = field(default_factory=list)


def publish() -> None:
    """Write the report if that is due, once for all controllers. Raises redis.RedisError."""
    if not client().set(key("leader-report-written"), "1", nx=True, ex=EVERY):
        return
    runtime = get_runtime()
    report = LeaderReport(portal_certificate.shared.expires_at(), runtime.storage_space(), _machines(), _backups())
    client().set(key("leader-report"), json.dumps(asdict(report)), ex=_KEPT)


def last() -> LeaderReport:
    """Return the last report, or an empty one if that is too old. Raises redis.RedisError."""
    text = client().get(key("leader-report"))
    if not text:
        return LeaderReport()
    found = json.loads(str(text))
    return LeaderReport(
        found["certificate_expires_at"],
        StorageSpace(**found["storage"]) if found["storage"] else None,
        MachineCapacity(**found["machines"]) if found["machines"] else None,
        [DatabaseBackupState(**each) for each in found["backups"]],
    )


def _machines() -> MachineCapacity | None:
    try:
        return get_runtime().capacity()
    except (RuntimeFault, RuntimeUnknown) as error:
        log.info("capacity_not_read", error=str(error))
        return None


def _backups() -> list[DatabaseBackupState]:
    times, failed, _ = database_backups.samples().values()
    return [DatabaseBackupState(kind, at, bool(failed[kind,])) for (kind,), at in times.items()]
