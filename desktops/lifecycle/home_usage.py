"""Record how much of its home folder each desktop uses.

Sessions measure themselves. The controller queues a reading of each running desktop every few minutes, spread over
that time, and a worker reads the last measurement. It is the owner's claim, so it is limited, and only shown.
"""

import time

import structlog
from django.utils import timezone

from core.redis import client, key
from desktops.lifecycle.queue import enqueue_again
from desktops.models import Desktop, Status, Volume
from desktops.runtimes import get_runtime
from desktops.runtimes.base import RuntimeFault, RuntimeUnknown
from desktops.runtimes.home_usage import HomeUsage

log = structlog.get_logger("podesk.home_usage")
SLOT_SECONDS = 10
SLOTS = 18  # so each desktop is read every three minutes
_MOST = 10  # times its size: the most that is believed; a shared file system may not enforce the size
_GIB = 2**30
_FIELDS = ("used_bytes", "usable_bytes", "used_measured_at", "measurement_unfinished")


def queue_readings() -> None:
    """Queue a reading of the running desktops whose turn it is, with one query. Raises redis.RedisError."""
    now = int(time.time() / SLOT_SECONDS)
    last = int(str(client().getset(key("home-usage-slot"), now) or now - SLOTS))
    if due := due_slots(last, now):
        for desktop_id in Desktop.objects.filter(status=Status.RUNNING).values_list("pk", flat=True):
            if desktop_id.int % SLOTS in due:
                enqueue_again(read_home_usage, desktop_id)


def due_slots(last: int, now: int) -> set[int]:
    """Return the slots since the last round: each once, if that is long ago."""
    return {slot % SLOTS for slot in range(max(last, now - SLOTS) + 1, now + 1)}


def read_home_usage(desktop_id: str) -> None:
    """Job: record the last measurement of a running desktop."""
    if desktop := Desktop.objects.select_related("volume").filter(pk=desktop_id, status=Status.RUNNING).first():
        read(desktop)


def read_last(desktop: Desktop) -> None:
    """Record the last measurement of a run that ends, before its log is removed. Asks once: a machine may be lost."""
    is_dropped = desktop.status == Status.DELETING and not desktop.keep_data
    once = key("home-usage-last", f"{desktop.pk}-{desktop.run}")
    if not is_dropped and client().set(once, "1", nx=True, ex=3600):
        read(desktop)


def read(desktop: Desktop) -> None:
    """Record the last measurement of a desktop. A failure is logged, and the last figures stay with their age."""
    try:
        found = get_runtime().home_usage(desktop.object_name)
    except (RuntimeFault, RuntimeUnknown) as error:
        log.info("home_usage_not_read", desktop_name=desktop.object_name, error=str(error))
        return
    if found:
        record(desktop, found)


def record(desktop: Desktop, found: HomeUsage) -> None:
    """Write a measurement on the row, and notify the owner's pages of a change that they show as a warning."""
    volume = desktop.volume
    if found.measured_at == volume.used_measured_at:
        return
    before = volume.fill_level, volume.measurement_unfinished
    if found.used_bytes is None:
        volume.measurement_unfinished = True
    else:
        size = volume.storage_gib * _GIB
        volume.used_bytes = min(found.used_bytes, _MOST * size)
        volume.usable_bytes = found.usable_bytes
        volume.used_measured_at = min(found.measured_at, timezone.now())
        volume.measurement_unfinished = False
    Volume.objects.filter(pk=volume.pk).update(**{name: getattr(volume, name) for name in _FIELDS})
    if before != (volume.fill_level, volume.measurement_unfinished):
        log.info("home_usage_changed", desktop_name=desktop.object_name, fill=volume.fill_level)
        desktop.notify_owner()
    else:
        desktop.renew_snapshot()
