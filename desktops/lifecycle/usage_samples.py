"""Sample the CPU and memory of all running desktops, and add the samples to the history of their runs."""

import json
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.utils import timezone

from core.redis import client, key
from desktops.lifecycle.usage_histogram import added, percentile
from desktops.models import DesktopRun, RunUsage
from desktops.runtimes import get_runtime
from desktops.runtimes.base import RuntimeFault, RuntimeUnknown, Usage

log = structlog.get_logger("podesk.usage_samples")
_MIB = 2**20
_LONGEST_GAP = 2  # intervals; a sample represents no more time than this
_CHANGED = [field.name for field in RunUsage._meta.concrete_fields if not field.primary_key]


def sample() -> None:
    """Take a sample of all desktops if one is due, once for all controllers."""
    seconds = settings.USAGE_SAMPLE_SECONDS
    if not seconds or not client().set(key("usage-sampled"), "1", nx=True, px=seconds * 1000):
        return
    try:
        used = get_runtime().usage_of_all()
    except (RuntimeFault, RuntimeUnknown) as error:
        if client().set(key("usage-not-sampled"), "1", nx=True, ex=24 * 3600):  # logged once a day
            log.info("usage_not_sampled", error=str(error))
        return
    if used:
        total = (sum(use.cpu for use in used.values()), sum(use.memory_mib for use in used.values()))
        client().set(key("usage-total"), json.dumps(total), ex=3 * seconds)
        record(used, at=timezone.now())


def last_total() -> tuple[float, float] | None:
    """Return the cores and MiB that all desktops used in the last sample. Raises redis.RedisError."""
    found = client().get(key("usage-total"))
    return tuple(json.loads(str(found))) if found else None


def record(used: dict[str, Usage], *, at: datetime) -> None:
    """Add one sample to each run that is in use. Needs two queries, however many there are."""
    runs = DesktopRun.objects.filter(ended_at=None, ready_at__isnull=False).select_related("usage")
    rows = [_with_sample(run, used[run.object_name], at) for run in runs if run.object_name in used]
    RunUsage.objects.bulk_create(rows, update_conflicts=True, unique_fields=["run"], update_fields=_CHANGED)


def _with_sample(run: DesktopRun, used: Usage, at: datetime) -> RunUsage:
    row: RunUsage = getattr(run, "usage", None) or RunUsage(run=run, sampled_at=run.ready_at or at)
    gap = timedelta(seconds=_LONGEST_GAP * settings.USAGE_SAMPLE_SECONDS)
    seconds = max(timedelta(0), min(at - row.sampled_at, gap)).total_seconds()
    row.sampled_at, row.samples = at, row.samples + 1
    row.cpu_seconds += used.cpu * seconds
    row.memory_byte_seconds += used.memory_mib * _MIB * seconds
    row.cpu_mean += (used.cpu - row.cpu_mean) / row.samples
    row.memory_mean += (used.memory_mib - row.memory_mean) / row.samples
    row.cpu_max, row.memory_max = max(row.cpu_max, used.cpu), max(row.memory_max, used.memory_mib)
    row.cpu_histogram = added(row.cpu_histogram, used.cpu)
    row.memory_histogram = added(row.memory_histogram, used.memory_mib)
    # A bucket's middle may lie above its highest value.
    row.cpu_p95 = min(row.cpu_max, percentile(row.cpu_histogram, 0.95))
    row.memory_p95 = min(row.memory_max, percentile(row.memory_histogram, 0.95))
    return row
