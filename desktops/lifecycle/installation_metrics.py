"""Metrics of the whole installation, which the leading controller alone computes.

Others would need the database for each scrape, and each process would report the same numbers.
"""

import time
from collections.abc import Iterator
from itertools import product

import redis
import structlog
from django.conf import settings
from django.db import DatabaseError
from django.db.models import Case, Count, Q, Sum, Value, When
from django.db.models.functions import Coalesce
from django.utils.text import slugify
from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from desktops.lifecycle import database_backups, heartbeat, orphaned_volumes, queue
from desktops.lifecycle.portal_certificate import PortalCertificate
from desktops.models import Desktop, DesktopImage, PortLease, Status, Volume
from desktops.models.volume import ALMOST_FULL, NEARLY_FULL
from desktops.runtimes import get_runtime
from desktops.runtimes.base import RuntimeFault, RuntimeUnknown
from desktops.wording import reasons

log = structlog.get_logger("podesk.metrics")
EVERY = 15.0  # seconds between two computations
QUOTA_EVERY = 60.0  # seconds between two calls to the cluster
STALE = 120.0  # seconds after which values are not shown, if something keeps the controller from computing them
_GIB = 2**30
_FILL_LEVELS = (NEARLY_FULL, ALMOST_FULL)

_FAMILIES = {
    "podesk_desktops": ("Desktops by status and image.", ("status", "image")),
    "podesk_waiting_launches": ("Starts of desktops that wait, by reason.", ("reason",)),
    "podesk_volumes": ("Home folders.", ("state",)),
    "podesk_volume_requested_bytes": ("Size that home folders asked for.", ("state",)),
    "podesk_volume_used_bytes": ("Bytes that files in home folders occupy, as last measured.", ("state",)),
    "podesk_nearly_full_volumes": ("Home folders of desktops of which at least this percent is used.", ("percent",)),
    "podesk_orphaned_volumes": ("Home folders in the runtime without a row.", ()),
    "podesk_node_ports": ("Node ports by range.", ("range", "state")),
    "podesk_namespace_quota": ("Quota of the desktops' namespace.", ("resource", "type")),
    "podesk_queue_jobs": ("Jobs that wait for a worker.", ()),
    "podesk_queue_oldest_job_seconds": ("Seconds that the oldest job has waited.", ()),
    "podesk_workers": ("Workers that report.", ()),
    "podesk_storage_bytes": ("Size of the storage that all home folders share.", ("state",)),
    "podesk_certificate_expiry_timestamp_seconds": ("Unix time at which the portal's certificate ends.", ()),
    **database_backups.FAMILIES,
}
Values = dict[tuple[str, ...], float]  # by the values of the labels
Samples = dict[str, Values]  # by the name of the metric


class InstallationCollector(Collector):
    """Keeps the last values, and shows them while they are fresh."""

    def __init__(self) -> None:
        self._samples: Samples = {}
        self._quota: Values = {}
        self._at = self._quota_at = float("-inf")  # time.monotonic()

    def describe(self) -> list[GaugeMetricFamily]:
        """Return no names, so that registration does not collect."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        samples = self._samples if time.monotonic() - self._at < STALE else {}
        for name, (text, labels) in _FAMILIES.items():
            family = GaugeMetricFamily(name, text, labels=labels)
            for values, number in samples.get(name, {}).items():
                family.add_metric(values, number)
            yield family

    def refresh(self) -> None:
        """Compute the values again if they are old. A failure is logged, and the old ones stay until they are stale."""
        now = time.monotonic()
        if not settings.METRICS_PORT or now - self._at < EVERY:
            return
        try:
            self._samples = from_database() | from_redis() | self._slow_samples(now)
            self._at = now
        except (DatabaseError, redis.RedisError) as error:  # the controller's own work reports it too
            log.info("metrics_not_computed", error=str(error))

    def forget(self) -> None:
        """Show nothing any more, because another controller leads."""
        self._at = self._quota_at = float("-inf")
        self._samples, self._quota = {}, {}

    def _slow_samples(self, now: float) -> Samples:
        """Return what is read less often than the rest."""
        expiry, space = _certificate.expires_at(), get_runtime().storage_space()
        return {
            "podesk_storage_bytes": {("used",): space.used, ("free",): space.free} if space else {},
            "podesk_namespace_quota": self._namespace_quota(now),
            "podesk_certificate_expiry_timestamp_seconds": {} if expiry is None else {(): expiry},
        }

    def _namespace_quota(self, now: float) -> Values:
        if now - self._quota_at >= QUOTA_EVERY:
            self._quota_at, self._quota = now, _quota()
        return self._quota


_certificate = PortalCertificate()
shown = InstallationCollector()
REGISTRY.register(shown)


def from_database() -> Samples:
    """Return what rows say, with a constant number of queries."""
    volumes = _volumes()
    return database_backups.samples() | {
        "podesk_desktops": _desktops(),
        "podesk_waiting_launches": _waiting_launches(),
        "podesk_volumes": {(state,): found["count"] for state, found in volumes.items()},
        "podesk_volume_requested_bytes": {(state,): found["gib"] * _GIB for state, found in volumes.items()},
        "podesk_volume_used_bytes": {(state,): found["used"] for state, found in volumes.items()},
        "podesk_nearly_full_volumes": {(str(p),): volumes["in_use"][f"from_{p}"] for p in _FILL_LEVELS},
        "podesk_node_ports": _node_ports() if settings.DESKTOP_EXPOSURE == "nodeport" else {},
    }


def from_redis() -> Samples:
    jobs, oldest = queue.depth()
    health, orphans = heartbeat.look(), orphaned_volumes.last_count()
    return {
        "podesk_queue_jobs": {(): jobs},
        "podesk_queue_oldest_job_seconds": {(): oldest},
        "podesk_workers": {} if health.workers is None else {(): health.workers},
        "podesk_orphaned_volumes": {} if orphans is None else {(): orphans},
    }


def _desktops() -> Values:
    images = {pk: slugify(name) or f"image-{pk}" for pk, name in DesktopImage.objects.values_list("pk", "name")}
    found: Values = dict.fromkeys(product(Status.values, images.values()), 0)
    counted = Desktop.objects.order_by().values_list("status", "image").annotate(Count("pk"))
    for status, image, count in counted:
        label = (status, images.get(image, f"image-{image}"))  # the image may be a moment old
        found[label] = found.get(label, 0) + count
    return found


def _waiting_launches() -> Values:
    """Return zero for each reason without a launch, so that an alert sees a number go to zero."""
    found: Values = {(reason,): 0 for reason in reasons.WAITING}
    starting = Desktop.objects.filter(status__in=(Status.PENDING, Status.STARTING)).order_by()
    for reason, count in starting.values_list("reason").annotate(Count("pk")):
        if (reason,) in found:
            found[reason,] = count
    return found


def _volumes() -> dict[str, dict[str, int]]:
    """Return number, GiB, used bytes and the number of nearly full ones of the home folders in each state."""
    state = Case(
        When(lost_at__isnull=False, then=Value("lost")),
        When(desktop__isnull=False, then=Value("in_use")),
        When(kept_at__isnull=False, then=Value("kept")),
        default=Value("deleting"),
    )
    sums = {"count": Count("pk"), "gib": Sum("storage_gib"), "used": Coalesce(Sum("used_bytes"), 0)}
    sums |= {f"from_{percent}": Count("pk", filter=Q(fill__gte=percent)) for percent in _FILL_LEVELS}
    rows = Volume.objects.annotate(state=state, fill=Volume.fill_expression()).order_by().values_list("state")
    found = {name: dict(zip(sums, numbers, strict=True)) for name, *numbers in rows.annotate(**sums)}
    return {name: found.get(name, dict.fromkeys(sums, 0)) for name in ("in_use", "kept", "deleting", "lost")}


def _node_ports() -> Values:
    ranges = {"vnc": settings.DESKTOP_VNC_PORTS, "ssh": settings.DESKTOP_SSH_PORTS}
    leases = list(PortLease.objects.values_list("port", "use"))
    found: Values = {}
    for name, ports in ranges.items():
        uses = [use for port, use in leases if port in ports]
        foreign = uses.count(PortLease.Use.FOREIGN)
        found |= {(name, "leased"): len(uses) - foreign, (name, "foreign"): foreign}
        found[name, "free"] = len(ports) - len(uses)
    return found


def _quota() -> Values:
    try:
        uses = get_runtime().quota_use()
    except (RuntimeFault, RuntimeUnknown) as error:  # as with roles of an earlier version, without this right
        log.info("namespace_quota_not_read", error=str(error))
        return {}
    return {(use.resource, kind): getattr(use, kind) for use in uses for kind in ("used", "hard")}
