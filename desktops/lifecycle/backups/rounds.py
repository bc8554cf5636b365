"""Compare the tasks of backups with what the engine reports, and let the next ones begin.

The leading controller does this. The number of queries does not depend on the number of repositories.
"""

from datetime import timedelta
from typing import Any

import redis
import structlog
from django.conf import settings
from django.db import IntegrityError, InterfaceError, OperationalError, transaction
from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, Value, When
from django.utils import timezone

from core.redis import client, key
from desktops.lifecycle.backups import jobs, results, schedule
from desktops.lifecycle.queue import enqueue_after_commit, enqueue_again
from desktops.models import AT_REST, BackupTask, Volume
from desktops.runtimes import get_backup_engine
from desktops.runtimes.backups.base import BackupEngine, ObservedTask, TaskState
from desktops.runtimes.base import RuntimeFault, RuntimeUnknown

log = structlog.get_logger("podesk.backups")
BEGIN_TIMEOUT = timedelta(seconds=10)  # until a task that was not observed is begun again
_LOOK = 60  # seconds between two looks at the engine while no task runs
_KIND, _STATUS, _TRIGGER = BackupTask.Kind, BackupTask.Status, BackupTask.Trigger


def compare() -> None:
    """Do one round. Its failures must not keep the controller from its desktops."""
    try:
        _compare()
    except (redis.RedisError, OperationalError, InterfaceError):  # an outage, which has nothing to do with backups
        raise
    except Exception:  # error boundary
        log.exception("backups_not_compared")


def _compare() -> None:
    """Do one round. If the engine does not answer, no row of a task that runs changes."""
    engine = get_backup_engine()
    if engine is None:
        _end_all()
        return
    schedule.plan()
    try:
        running = _running()
        seen = _observe(engine, running)
    except (RuntimeFault, RuntimeUnknown) as error:
        _log_outage(error)
        return
    for task in running:
        _compare_one(task, seen.get(str(task.pk)))
    _end_hopeless()
    _start(settings.BACKUPS_AT_ONCE, _remove_leftovers(seen))


def cancel_of_disabled() -> None:
    """Cancel what disabled accounts have requested. A restore that runs continues: its home folder needs an end."""
    theirs = BackupTask.objects.filter(requested_by__is_active=False, status__in=BackupTask.OPEN, reason="")
    for task in theirs.exclude(kind=_KIND.RESTORE, status=_STATUS.RUNNING).select_related("repository"):
        if task.status == _STATUS.QUEUED:
            results.fail(task, "account_disabled")
        else:
            task.move(to=_STATUS.RUNNING, reason="account_disabled")


def _end_all() -> None:
    """End what is open when backups were turned off, because an open restore keeps its desktop from starting.

    A task that runs may still write, so it has its time first.
    """
    if not client().set(key("backups", "off"), "1", nx=True, ex=_LOOK):
        return
    overdue = Q(started_at__lt=timezone.now() - timedelta(seconds=settings.BACKUP_DEADLINE))
    ended = Q(status=_STATUS.QUEUED) | Q(status=_STATUS.RUNNING) & overdue
    for task in BackupTask.objects.filter(ended).select_related("repository"):
        results.fail(task, "cancelled")


def _running() -> list[BackupTask]:
    related = ("repository", "volume__desktop", "backup", "requested_by")
    return list(BackupTask.objects.filter(status=_STATUS.RUNNING).select_related(*related))


def _observe(engine: BackupEngine, running: list[BackupTask]) -> dict[str, ObservedTask]:
    """Return what the engine reports. While no task runs, look only sometimes: something may be left of an old one."""
    looked = key("backups", "looked")
    if not running and not client().set(looked, "1", nx=True, ex=_LOOK):
        return {}
    seen = {observed.id: observed for observed in engine.observe()}
    if seen:
        client().delete(looked)
    return seen


def _compare_one(task: BackupTask, seen: ObservedTask | None) -> None:
    now = timezone.now()
    started = task.started_at or now
    if seen and seen.state != TaskState.RUNNING:
        results.finish(task, seen)
    elif task.reason:
        enqueue_again(jobs.end_backup_task, task.pk)
    elif reason := _why_end(task, started < now - timedelta(seconds=settings.BACKUP_DEADLINE)):
        if task.move(to=_STATUS.RUNNING, reason=reason):
            enqueue_again(jobs.end_backup_task, task.pk)
    elif not seen and started < now - BEGIN_TIMEOUT:
        enqueue_again(jobs.begin_backup_task, task.pk)


def _why_end(task: BackupTask, overdue: bool) -> str:
    volume = task.volume
    there = volume and (volume.kept_at or getattr(volume, "desktop", None))  # otherwise it is being deleted or gone
    if task.kind in (_KIND.BACKUP, _KIND.RESTORE) and not there:
        return "volume_gone"
    return "timed_out" if overdue else ""


def _remove_leftovers(seen: dict[str, ObservedTask]) -> set[Any]:
    """Remove from the engine what no row wants to run. Returns the repositories whose next task must wait for that."""
    rows = dict(BackupTask.objects.filter(pk__in=seen).values_list("pk", "repository")) if seen else {}
    wanted = set(BackupTask.objects.filter(pk__in=seen, status=_STATUS.RUNNING).values_list("pk", flat=True))
    left = [task_id for task_id in seen if task_id not in {str(pk) for pk in wanted}]
    for task_id in left:
        enqueue_again(jobs.end_backup_task, task_id)
    return {repository for pk, repository in rows.items() if str(pk) in left}


def _end_hopeless() -> None:
    """End the tasks that wait for something that cannot happen any more."""
    waiting = BackupTask.objects.filter(status=_STATUS.QUEUED).select_related("repository", "after")
    for task in waiting.filter(after__status=_STATUS.FAILED):
        results.fail(task, task.after.reason if task.after else "")
    of_home = waiting.filter(kind__in=(_KIND.BACKUP, _KIND.RESTORE))
    for task in of_home.filter(Q(volume=None) | Q(volume__desktop=None, volume__kept_at=None)):
        results.fail(task, "volume_gone")
    before_delete = waiting.filter(trigger=_TRIGGER.BEFORE_DELETE)
    for task in before_delete.filter(run__isnull=False).exclude(volume__desktop__run=F("run")):
        results.fail(task, "desktop_started")
    for task in before_delete.filter(run=None, volume__desktop__isnull=False):
        results.fail(task, "files_in_use")
    for task in before_delete.filter(run=None, requested_by=None).exclude(volume__in=Volume.expired()):
        results.fail(task, "cancelled")


def _start(at_once: int, busy: set[Any]) -> None:
    """Let the next tasks begin, those that a person waits for first. One task at a time for each repository."""
    room = at_once - BackupTask.objects.filter(status=_STATUS.RUNNING).count()
    if room <= 0:
        return
    for task in _ready().exclude(repository__in=busy)[: 2 * room]:
        if room and task.repository_id not in busy and _start_one(task):
            room -= 1
        busy.add(task.repository_id)


def _ready() -> QuerySet[BackupTask]:
    """Return the tasks that may begin now, in their order."""
    of_repository = BackupTask.objects.filter(repository=OuterRef("repository"), status=_STATUS.RUNNING)
    awaits_stop = Q(trigger=_TRIGGER.BEFORE_DELETE, run__isnull=False) & ~Q(volume__desktop__status__in=AT_REST)
    by_schedule = Case(When(trigger=_TRIGGER.SCHEDULE, then=Value(1)), default=Value(0))
    free = BackupTask.objects.filter(Q(after=None) | Q(after__status=_STATUS.SUCCEEDED), status=_STATUS.QUEUED)
    free = free.exclude(Exists(of_repository)).exclude(awaits_stop).select_related("repository")
    return free.order_by(by_schedule, "created_at", "pk")


def _start_one(task: BackupTask) -> bool:
    try:
        with transaction.atomic():
            if task.move(to=_STATUS.RUNNING, started_at=timezone.now()):
                enqueue_after_commit(jobs.begin_backup_task, task.pk)
                return True
    except IntegrityError:  # another controller, which led until now, has just started one of the same repository
        log.info("backup_task_not_started", task=str(task.pk))
    return False


def _log_outage(error: Exception) -> None:
    """Log that the engine does not answer, once for each outage and hour."""
    if client().set(key("backups", "outage"), "1", nx=True, ex=3600):
        log.warning("backups_not_observed", error=str(error))
