"""Record how tasks have ended, with everything that follows from it, in one transaction each."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce
from django.utils import timezone

from desktops.lifecycle import jobs, metrics
from desktops.lifecycle.backups import before_delete
from desktops.lifecycle.queue import enqueue_after_commit
from desktops.models import AT_REST, Backup, BackupRepository, BackupTask, Desktop, Volume
from desktops.runtimes.backups.base import ObservedTask, TaskResult, TaskState

log = structlog.get_logger("podesk.backups")
PARTS = 4  # a verification reads one part of the data, so that four read everything
RETRY = timedelta(hours=1)  # after a scheduled backup has failed
# What people caused, or what was decided for them: no news for an administrator.
_ORDINARY = frozenset(
    {"account_disabled", "cancelled", "desktop_runs", "desktop_started", "files_in_use", "quota_exceeded"}
)
_KIND, _STATUS, _TRIGGER = BackupTask.Kind, BackupTask.Status, BackupTask.Trigger


def finish(task: BackupTask, seen: ObservedTask) -> None:
    """Record the result of a task that the engine has ended."""
    if seen.state == TaskState.SUCCEEDED:
        succeed(task, seen.result or TaskResult())
    else:
        fail(task, task.reason or seen.reason or "backup_failed", seen.detail)


@transaction.atomic
def succeed(task: BackupTask, result: TaskResult) -> None:
    if not task.move(to=_STATUS.SUCCEEDED, reason=""):
        return
    follow = {
        _KIND.BACKUP: _backed_up,
        _KIND.RESTORE: _restored,
        _KIND.VERIFY: _verified,
        _KIND.FORGET: _removed,
    }
    follow[_KIND(task.kind)](task, result)
    metrics.count_backup_task_after_commit(task.kind, added_bytes=result.added)


@transaction.atomic
def fail(task: BackupTask, reason: str, detail: str = "") -> None:
    """Record that a task has failed, and why. What it would have changed remains as it was."""
    if not task.move(to=_STATUS.FAILED, reason=reason[:40], detail=detail.replace("\0", "")[:500]):
        return
    repository = BackupRepository.objects.get(pk=task.repository_id)
    _log_failure(task, repository, detail)
    metrics.count_backup_task_after_commit(task.kind, reason=reason)
    changes: dict[str, Any] = {}
    if task.kind == _KIND.BACKUP and reason not in ("cancelled", "account_disabled"):
        changes = {"failed_since": repository.failed_since or timezone.now(), "reason": reason[:40]}
        if repository.due_at:  # otherwise a daily backup would be tried again only tomorrow
            changes["due_at"] = min(repository.due_at, timezone.now() + RETRY)
    if reason == "repository_damaged":
        changes["damaged_since"] = repository.damaged_since or timezone.now()
    if reason == "repository_damaged" and task.kind == _KIND.VERIFY:
        changes["checked_at"] = timezone.now()
    if changes:
        BackupRepository.objects.filter(pk=repository.pk).update(**changes)
    if task.kind == _KIND.RESTORE:
        _drop_new_files(task)


def _log_failure(task: BackupTask, repository: BackupRepository, detail: str) -> None:
    """Log a failure as an error, but as information if the last one had the same reason or people caused it."""
    last = repository.tasks.filter(kind=task.kind, ended_at__isnull=False).exclude(pk=task.pk).order_by("-ended_at")
    known = last.values_list("reason", flat=True).first() == task.reason
    tell = log.info if known or task.reason in _ORDINARY else log.error
    tell("backup_task_failed", kind=task.kind, task=str(task.pk), reason=task.reason, detail=detail)


def _backed_up(task: BackupTask, result: TaskResult) -> None:
    began = task.started_at or task.created_at  # the backup contains nothing newer
    Backup.objects.get_or_create(
        snapshot=result.snapshot,
        defaults={
            "repository_id": task.repository_id,
            "created_at": began,
            "trigger": task.trigger,
            "size_bytes": result.size,
            "added_bytes": result.added,
            "files_new": result.files_new,
            "files_changed": result.files_changed,
            "files_unmodified": result.files_unmodified,
            "files_unread": result.files_unread,
        },
    )
    good: dict[str, Any] = {"succeeded_at": began, "saved_until": began, "failed_since": None, "reason": ""}
    size = {"size_bytes": F("size_bytes") + result.added}  # exact after each removal of old backups
    BackupRepository.objects.filter(pk=task.repository_id).update(**good, **size)
    if task.trigger == _TRIGGER.BEFORE_DELETE:
        _delete_saved(task, result)


def _delete_saved(task: BackupTask, result: TaskResult) -> None:
    """Delete the desktop or the kept files of this backup, or write on the task why they remain."""
    if result.files_unread:
        task.move(to=_STATUS.SUCCEEDED, reason="files_unread")
    elif task.run is None:
        if not before_delete.delete_files(task) and not _is_deleted(task.volume_id):
            task.move(to=_STATUS.SUCCEEDED, reason="files_in_use" if task.requested_by_id else "cancelled")
    elif not before_delete.delete(task) and (desktop := Desktop.objects.filter(volume=task.volume).first()):
        restored = desktop.status in AT_REST and desktop.run == task.run
        task.move(to=_STATUS.SUCCEEDED, reason="files_in_use" if restored else "desktop_started")


def _is_deleted(volume_id: UUID | None) -> bool:
    if volume_id is None:
        return True
    return not Volume.objects.filter(pk=volume_id).exclude(desktop=None, kept_at=None).exists()


def _restored(task: BackupTask, result: TaskResult) -> None:
    if task.volume_id:
        Volume.objects.filter(pk=task.volume_id).update(used_at=Coalesce("used_at", timezone.now()))


def _drop_new_files(task: BackupTask) -> None:
    """Delete the home folder that a failed restore was to create. Nothing else can have used it."""
    if not task.volume_id or task.volume_id == task.repository.volume_id:
        return
    if Volume.objects.filter(pk=task.volume_id, used_at=None, desktop=None).update(kept_at=None):
        enqueue_after_commit(jobs.delete_volume, task.volume_id)


def _verified(task: BackupTask, result: TaskResult) -> None:
    now, repository = timezone.now(), task.repository
    part = repository.next_part if repository.damaged_since else repository.next_part % PARTS + 1
    fields: dict[str, Any] = {"checked_at": now, "damaged_since": None, "next_part": part}
    BackupRepository.objects.filter(pk=repository.pk).update(**fields)
    Backup.objects.filter(repository=repository, snapshot=result.snapshot).update(verified_at=now)


def _removed(task: BackupTask, result: TaskResult) -> None:
    repository = BackupRepository.objects.get(pk=task.repository_id)
    repository.backups.exclude(snapshot__in=result.snapshots).delete()
    if repository.deleted_at and not result.snapshots:
        repository.delete()
        return
    tidied = {"tidied_at": timezone.now()} if task.trigger == _TRIGGER.SCHEDULE else {}
    BackupRepository.objects.filter(pk=repository.pk).update(size_bytes=result.repository_size, **tidied)
