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
from django.db.models import Count
from django.utils.text import slugify
from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from desktops.lifecycle import (
    database_backups,
    heartbeat,
    installation_counts,
    namespace_quota,
    orphaned_volumes,
    portal_certificate,
    queue,
)
from desktops.lifecycle.backups import backup_metrics
from desktops.models import Desktop, DesktopImage, Status
from desktops.models.volume import ALMOST_FULL, NEARLY_FULL
from desktops.runtimes import get_runtime
from desktops.wording import reasons

log = structlog.get_logger("podesk.metrics")
EVERY = 15.0  # seconds between two computations
STALE = 120.0  # seconds after which values are not shown, if something keeps the controller from computing them
_GIB = 2**30
_FILL_LEVELS = (NEARLY_FULL, ALMOST_FULL)  # percent

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
    **backup_metrics.FAMILIES,
}
Values = dict[tuple[str, ...], float]  # by the values of the labels
Samples = dict[str, Values]  # by the name of the metric


class InstallationCollector(Collector):
    """Keeps the last values, and shows them while they are fresh."""

    def __init__(self) -> None:
        self._samples: Samples = {}
        self._at = float("-inf")  # time.monotonic()

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
            self._samples = from_database() | from_redis() | from_this_machine()
            self._at = now
        except (DatabaseError, redis.RedisError) as error:  # the controller's own work reports it too
            log.info("metrics_not_computed", error=str(error))

    def forget(self) -> None:
        """Show nothing any more, because another controller leads."""
        self._at = float("-inf")
        self._samples = {}


shown = InstallationCollector()
REGISTRY.register(shown)


def from_database() -> Samples:
    """Return what rows say, with a constant number of queries."""
    volumes = installation_counts.volumes_by_state()
    return (
        database_backups.samples()
        | backup_metrics.samples()
        | {
            "podesk_desktops": _desktops(),
            "podesk_waiting_launches": _waiting_launches(),
            "podesk_volumes": {(state,): found["count"] for state, found in volumes.items()},
            "podesk_volume_requested_bytes": {(state,): found["gib"] * _GIB for state, found in volumes.items()},
            "podesk_volume_used_bytes": {(state,): found["used"] for state, found in volumes.items()},
            "podesk_nearly_full_volumes": {(str(p),): volumes["in_use"][f"from_{p}"] for p in _FILL_LEVELS},
            "podesk_node_ports": _node_ports(),
        }
    )


def from_redis() -> Samples:
    jobs, oldest = queue.depth()
    health, orphans = heartbeat.look(), orphaned_volumes.last_count()
    quota = namespace_quota.last()
    return {
        "podesk_namespace_quota": {
            (use.resource, kind): getattr(use, kind) for use in quota for kind in ("used", "hard")
        },
        "podesk_queue_jobs": {(): jobs},
        "podesk_queue_oldest_job_seconds": {(): oldest},
        "podesk_workers": {} if health.workers is None else {(): health.workers},
        "podesk_orphaned_volumes": {} if orphans is None else {(): orphans},
    }


def from_this_machine() -> Samples:
    expiry, space = portal_certificate.shared.expires_at(), get_runtime().storage_space()
    return {
        "podesk_storage_bytes": {("used",): space.used, ("free",): space.free} if space else {},
        "podesk_certificate_expiry_timestamp_seconds": {} if expiry is None else {(): expiry},
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


def _node_ports() -> Values:
    uses = installation_counts.node_port_use()
    return {(use.range, state): getattr(use, state) for use in uses for state in ("leased", "foreign", "free")}
