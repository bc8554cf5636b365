"""The state of the whole installation, for administrators, with a constant number of queries."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import redis
from django.conf import settings
from django.db.models import Count, Q, Sum

from core.version import VERSION
from desktops.lifecycle import (
    heartbeat,
    installation_counts,
    leader_report,
    namespace_quota,
    orphaned_volumes,
    processes,
    queue,
    usage_samples,
)
from desktops.lifecycle.backups.backup_metrics import repository_counts
from desktops.lifecycle.heartbeat import PartsHealth
from desktops.lifecycle.installation_counts import NodePortUse
from desktops.lifecycle.leader_report import LeaderReport
from desktops.lifecycle.processes import RunningProcesses
from desktops.models import ACTIVE, LAUNCHING, Desktop, Status, Volume
from desktops.runtimes.base import ResourceQuotaUse
from desktops.selectors.launch_history import LaunchHistory, launch_history

_HOMES, _USERS = 8, 6  # rows of the lists
NO_ROOM = ("unschedulable", "no_machine_coming", "no_matching_node")  # reasons for which a launch waits for a node


@dataclass(frozen=True)
class CapacityAsked:
    """What the active desktops asked for together."""

    cpu: Decimal = Decimal(0)
    memory_mib: int = 0
    gpu: int = 0


@dataclass(frozen=True)
class StorageUser:
    """What a user asked for in home folders, with those that were kept."""

    username: str
    user_id: str
    folders: int
    gib: int


@dataclass(frozen=True)
class ActiveUser:
    """What a user's active desktops asked for."""

    username: str
    user_id: str
    desktops: int
    cpu: Decimal
    memory_mib: int


@dataclass(frozen=True)
class ReportedParts:
    """What controllers and workers report through Redis. Empty while Redis is unavailable."""

    health: PartsHealth = field(default_factory=PartsHealth)
    queue_jobs: int | None = None
    queue_oldest_seconds: float = 0.0
    quota: tuple[ResourceQuotaUse, ...] = ()
    processes: list[RunningProcesses] = field(default_factory=list)
    used: tuple[float, float] | None = None  # cores and MiB of all desktops
    orphans: int | None = None
    round_age: float | None = None  # seconds since the last full comparison
    leader: LeaderReport = field(default_factory=LeaderReport)


@dataclass(frozen=True)
class InstallationOverview:
    parts: ReportedParts
    desktops: dict[str, int]  # by status
    waiting_for_room: int  # launches
    asked: CapacityAsked
    launches: LaunchHistory
    volumes: dict[str, dict[str, int]]  # by state
    ending_soon: int | None  # kept files; None if they are kept without limit
    homes: list[Volume]  # the fullest, and then the largest, if their use is not known
    storage_users: list[StorageUser]
    active_users: list[ActiveUser]
    node_ports: list[NodePortUse]
    backups: dict[str, Any] = field(default_factory=dict)  # see backup_metrics; empty without a place for them
    version: str = VERSION


def installation_overview() -> InstallationOverview:
    desktops, asked, waiting = _desktops()
    return InstallationOverview(
        parts=reported_parts(),
        desktops=desktops,
        waiting_for_room=waiting,
        asked=asked,
        launches=launch_history(),
        volumes=installation_counts.volumes_by_state(),
        ending_soon=Volume.ending_soon().count() if settings.KEPT_FILES_DAYS else None,
        homes=_fullest_homes(),
        storage_users=_storage_users(),
        active_users=_active_users(),
        backups=repository_counts() if settings.BACKUP_REPOSITORY else {},
        node_ports=installation_counts.node_port_use(),
    )


def reported_parts() -> ReportedParts:
    health = heartbeat.look()
    if not health.redis.ok:
        return ReportedParts(health)
    try:
        jobs, oldest = queue.depth()
        quota, running = namespace_quota.last(), processes.running()
        used, orphans = usage_samples.last_total(), orphaned_volumes.last_count()
        return ReportedParts(
            health, jobs, oldest, quota, running, used, orphans, heartbeat.round_age(), leader_report.last()
        )
    except redis.RedisError:  # Redis became unavailable just now
        return ReportedParts(heartbeat.look())


def _desktops() -> tuple[dict[str, int], CapacityAsked, int]:
    """Return desktops by status, what the active ones asked for, and how many launches wait for a node."""
    no_room = Count("pk", filter=Q(reason__in=NO_ROOM))
    rows: Any = Desktop.objects.order_by().values_list("status")
    rows = rows.annotate(Count("pk"), Sum("cpu"), Sum("memory_mib"), Sum("gpu"), no_room=no_room)
    found: dict[str, list[Any]] = {status: numbers for status, *numbers in rows}
    active = [found[status] for status in ACTIVE if status in found]
    cpu, memory, gpu = (sum(numbers[n] for numbers in active) for n in (1, 2, 3))
    waiting = sum(found[status][4] for status in LAUNCHING if status in found)
    counts = {status: found[status][0] if status in found else 0 for status in Status.values}
    return counts, CapacityAsked(Decimal(cpu), memory, gpu), waiting


def _fullest_homes() -> list[Volume]:
    rows = Volume.objects.filter(lost_at=None).select_related("owner")
    return list(rows.order_by(Volume.fill_expression().desc(), "-storage_gib", "owner__username", "pk")[:_HOMES])


def _active_users() -> list[ActiveUser]:
    rows: Any = Desktop.objects.filter(status__in=ACTIVE).order_by().values_list("owner__username", "owner")
    rows = rows.annotate(count=Count("pk"), cores=Sum("cpu"), memory=Sum("memory_mib"))
    biggest = rows.order_by("-cores", "-memory", "owner__username")[:_USERS]
    return [ActiveUser(name, str(pk), count, cpu, memory) for name, pk, count, cpu, memory in biggest]


def _storage_users() -> list[StorageUser]:
    rows: Any = Volume.objects.filter(lost_at=None).order_by().values_list("owner__username", "owner")
    rows = rows.annotate(Count("pk"), gib=Sum("storage_gib")).order_by("-gib", "owner__username")
    return [StorageUser(name, str(pk), count, gib) for name, pk, count, gib in rows[:_USERS]]
