"""Metrics of launches, of desktops that failed while they ran, and of jobs."""

from itertools import pairwise
from uuid import UUID

from django.db import transaction
from prometheus_client import Counter, Histogram

from desktops.models import BackupTask, Desktop, DesktopEvent, Status
from desktops.wording import backup_reasons
from desktops.wording.reasons import ENDED, REASONS, REFUSED, WAITING

_MODULES = ("desktops.lifecycle.jobs", "desktops.lifecycle.backups.jobs")  # with the functions of jobs
_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900)

_LAUNCHES = Counter("podesk_launches", "Starts of desktops that have ended, by result.", ["result", "reason"])
_LAUNCH_SECONDS = Histogram("podesk_launch_seconds", "Seconds from queued to running.", buckets=_SECONDS)
_PHASE_SECONDS = Histogram(
    "podesk_launch_phase_seconds", "Seconds from the step before until this one.", ["phase"], buckets=_SECONDS
)
_FAILURES = Counter("podesk_desktop_failures", "Desktops that failed while they ran.", ["reason"])
_JOB_SECONDS = Histogram(
    "podesk_job_seconds", "Seconds of a job in a worker.", ["function", "result"], buckets=_SECONDS
)

_BACKUP_TASKS = Counter(
    "podesk_backup_tasks", "Backups, restores and other tasks that have ended.", ["kind", "result", "reason"]
)
_BACKUP_BYTES = Counter("podesk_backup_added_bytes", "Bytes that backups have added to the storage.")

# Prometheus computes an increase from two values, so a series that began with its first failure would hide it.
for _labels in (("ready", ""), *(("failed", reason) for reason in (*WAITING, *ENDED, *REFUSED, "other"))):
    _LAUNCHES.labels(*_labels)
for _kind in BackupTask.Kind.values:
    _BACKUP_TASKS.labels(_kind, "done", "")
    for _reason in backup_reasons.REASONS:
        _BACKUP_TASKS.labels(_kind, "failed", _reason)


def count_ready_after_commit(desktop: Desktop) -> None:
    """Count a successful start and the seconds of its phases."""
    pk, run = desktop.pk, desktop.run
    transaction.on_commit(lambda: _count_ready(pk, run), robust=True)


def count_failed_after_commit(before: str, reason: str) -> None:
    """Count a failure. `before`: the status until then, which decides whether it was the start that failed."""
    known = reason if reason in REASONS else "other"
    failures = _FAILURES.labels(known) if before == Status.RUNNING else _LAUNCHES.labels("failed", known)
    transaction.on_commit(failures.inc, robust=True)


def count_backup_task_after_commit(kind: str, *, reason: str = "", added_bytes: int = 0) -> None:
    """Count the end of a backup, restore or other task of backups. `reason`: why it failed; empty if it did not."""
    known = reason if reason in backup_reasons.REASONS or not reason else backup_reasons.OTHER
    tasks = _BACKUP_TASKS.labels(kind, "failed" if reason else "done", known)
    transaction.on_commit(tasks.inc, robust=True)
    transaction.on_commit(lambda: _BACKUP_BYTES.inc(added_bytes), robust=True)


def count_job(function: str, *, well: bool, seconds: float) -> None:
    """Count one job. `function`: the full name of its function, as RQ has it."""
    module, _, name = function.rpartition(".")
    label = name if module in _MODULES else "other"
    _JOB_SECONDS.labels(label, "done" if well else "failed").observe(seconds)


def _count_ready(pk: UUID, run: int) -> None:
    rows = DesktopEvent.objects.filter(desktop_id=pk, run=run, kind__in=(*DesktopEvent.STEPS, Status.RUNNING))
    steps = list(rows.order_by("at", "pk").values_list("kind", "at"))
    _LAUNCHES.labels("ready", "").inc()
    for (_, before), (kind, at) in pairwise(steps):
        _PHASE_SECONDS.labels(kind).observe((at - before).total_seconds())
    if steps:
        _LAUNCH_SECONDS.observe((steps[-1][1] - steps[0][1]).total_seconds())
