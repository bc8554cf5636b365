"""What is wrong with the installation now. Each condition has the name of the alert with the same meaning."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from desktops.lifecycle.leader_report import LeaderReport
from desktops.models.volume import ALMOST_FULL
from desktops.selectors.installation_overview import InstallationOverview

QUEUE_STUCK = 60  # seconds that the oldest job has waited
NEARLY_FULL = 0.9  # of the namespace's quota, or of the node ports
MANY_FAIL, FAIL_AT_LEAST = 0.2, 3  # share and number of the launches of the last half hour
SLOW, SLOW_AT_LEAST = 60, 3  # p90 in seconds, and number of launches
CERTIFICATE_ENDS = 14 * 86400  # seconds
BACKUP_TOO_OLD = 36 * 3600  # seconds
ROUND_LATE = 180  # seconds since the last full comparison


# Those that will stop people from working if nothing is done; the others do so now, or put data at risk.
WARNINGS = frozenset(
    {
        "PodeskLaunchesSlow",
        "PodeskNamespaceQuotaNearlyFull",
        "PodeskNodePortsNearlyUsedUp",
        "PodeskHomeFolderNearlyFull",
        "PodeskCertificateEndsSoon",
        "PodeskDatabaseBackupFailing",
        "PodeskBackupsFailing",
    }
)


@dataclass(frozen=True)
class InstallationCondition:
    alert: str  # name of the alert in k8s/parts/monitoring, and of its chapter in docs/runbook.md
    facts: dict[str, Any] = field(default_factory=dict)  # numbers for its sentence

    @property
    def critical(self) -> bool:
        return self.alert not in WARNINGS


def conditions_of(found: InstallationOverview) -> list[InstallationCondition]:
    """Return all conditions that hold, critical ones first."""
    report = _leader_report(found.parts.leader)
    holding = [*_parts(found), *_launches(found), *_capacity(found), *report, *_backups(found.backups)]
    return sorted(holding, key=lambda condition: not condition.critical)


def _parts(found: InstallationOverview) -> Iterator[InstallationCondition]:
    parts = found.parts
    if not parts.health.redis.ok:
        yield InstallationCondition("PodeskRedisUnavailable", {"reason": parts.health.redis.reason})
        return  # the others report through Redis
    if parts.health.controller.status in ("late", "missing"):
        yield InstallationCondition("PodeskNoController")
    elif (parts.round_age or 0) > ROUND_LATE and not parts.health.runtime_outage:
        yield InstallationCondition("PodeskControllerStuck", {"seconds": round(parts.round_age or 0)})
    if parts.health.workers == 0:
        yield InstallationCondition("PodeskNoWorkers")
    if parts.queue_jobs and parts.queue_oldest_seconds > QUEUE_STUCK:
        facts = {"jobs": parts.queue_jobs, "seconds": round(parts.queue_oldest_seconds)}
        yield InstallationCondition("PodeskQueueStuck", facts)
    if parts.health.runtime_outage:
        yield InstallationCondition("PodeskClusterUnavailable", {"outage": parts.health.runtime_outage})


def _launches(found: InstallationOverview) -> Iterator[InstallationCondition]:
    recent = found.launches.recent
    if recent.failed >= FAIL_AT_LEAST and recent.failed / recent.total > MANY_FAIL:
        facts = {"failed": recent.failed, "total": recent.total}
        yield InstallationCondition("PodeskLaunchesFail", facts)
    if recent.ready >= SLOW_AT_LEAST and (recent.p90 or 0) > SLOW:
        yield InstallationCondition("PodeskLaunchesSlow", {"seconds": round(recent.p90 or 0)})
    if found.waiting_for_room:
        yield InstallationCondition("PodeskNoRoomOnNodes", {"launches": found.waiting_for_room})


def _capacity(found: InstallationOverview) -> Iterator[InstallationCondition]:
    for use in found.parts.quota:
        if use.hard and use.share > NEARLY_FULL:
            facts = {"resource": use.resource, "percent": round(100 * use.share)}
            yield InstallationCondition("PodeskNamespaceQuotaNearlyFull", facts)
    for ports in found.node_ports:
        total = ports.leased + ports.foreign + ports.free
        if total and ports.free / total < 1 - NEARLY_FULL:
            facts = {"range": ports.range, "free": ports.free, "total": total}
            yield InstallationCondition("PodeskNodePortsNearlyUsedUp", facts)
    if lost := found.volumes["lost"]["count"]:
        yield InstallationCondition("PodeskHomeFoldersLost", {"folders": lost})
    if full := found.volumes["in_use"][f"from_{ALMOST_FULL}"]:
        yield InstallationCondition("PodeskHomeFolderNearlyFull", {"folders": full, "percent": ALMOST_FULL})


def _leader_report(report: LeaderReport) -> Iterator[InstallationCondition]:
    if (space := report.storage) and space.free < (1 - NEARLY_FULL) * (space.free + space.used):
        percent = round(100 * space.free / (space.free + space.used))
        yield InstallationCondition("PodeskStorageNearlyFull", {"percent": percent})
    if (at := report.certificate_expires_at) is not None and at - time.time() < CERTIFICATE_ENDS:
        yield InstallationCondition("PodeskCertificateEndsSoon", {"days": max(0, int((at - time.time()) / 86400))})
    for backup in report.backups:
        if time.time() - backup.last_success > BACKUP_TOO_OLD:
            yield InstallationCondition("PodeskDatabaseBackupTooOld", {"hours": BACKUP_TOO_OLD // 3600})
        if backup.failed:
            yield InstallationCondition("PodeskDatabaseBackupFailing")


def _backups(found: dict[str, Any]) -> Iterator[InstallationCondition]:
    """Yield what is wrong with the backups of home folders. `found`: empty without a place for backups."""
    if not found:
        return
    if found["oldest"] and time.time() - found["oldest"].timestamp() > BACKUP_TOO_OLD:
        yield InstallationCondition("PodeskBackupTooOld", {"hours": BACKUP_TOO_OLD // 3600})
    if found["failing"]:
        yield InstallationCondition("PodeskBackupsFailing", {"folders": found["failing"]})
    if bad := found["damaged"] + found["unverified"]:
        yield InstallationCondition("PodeskBackupNotVerifiable", {"folders": bad})
