"""Sample the CPU and memory of all running desktops, and add the samples to the history of their runs."""

import json
from datetime import datetime

import structlog
from django.conf import settings
from django.db import connection
from django.utils import timezone

from core.redis import client, key
from desktops.lifecycle.usage_upsert import POSTGRESQL, SQLITE, SampleRow, usage_upsert
from desktops.models.usage_histogram import bucket_of
from desktops.runtimes import get_runtime
from desktops.runtimes.base import RuntimeFault, RuntimeUnknown, Usage

log = structlog.get_logger("podesk.usage_samples")
_LONGEST_GAP = 2  # intervals; a sample represents no more time than this


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
    """Add one sample to each run that is in use. Needs one statement, however many there are."""
    rows = [
        SampleRow(name, use.cpu, use.memory_mib, bucket_of(use.cpu), bucket_of(use.memory_mib))
        for name, use in used.items()
    ]
    parameters = {
        "samples": json.dumps(rows),
        "at": connection.ops.adapt_datetimefield_value(at),
        "longest": float(_LONGEST_GAP * settings.USAGE_SAMPLE_SECONDS),
    }
    with connection.cursor() as cursor:
        cursor.execute(usage_upsert(POSTGRESQL if connection.vendor == "postgresql" else SQLITE), parameters)
