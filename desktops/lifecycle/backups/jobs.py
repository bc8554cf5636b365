"""Jobs that begin and end runs of restic. Each reads the row first and may run twice."""

import structlog
from django.conf import settings

from core.locks import desktop_lock
from desktops.lifecycle.backups import repositories, results
from desktops.lifecycle.backups.access import access_to
from desktops.lifecycle.jobs import placement_of
from desktops.models import BackupRepository, BackupTask, Desktop
from desktops.runtimes import get_backup_engine, get_runtime
from desktops.runtimes.backups.base import NewVolume, Retention, TaskKind, TaskSpec
from desktops.runtimes.base import Deadline, Placement, RuntimeFault, RuntimeUnknown

log = structlog.get_logger("podesk.backups")

_SECONDS = 25.0  # for all calls of one job
_KIND, _TRIGGER, _STATUS = BackupTask.Kind, BackupTask.Trigger, BackupTask.Status


def begin_backup_task(task_id: str) -> None:
    """Begin a task whose row says that it runs. The engine begins each task only once."""
    engine = get_backup_engine()
    with structlog.contextvars.bound_contextvars(backup_task=task_id), desktop_lock(task_id) as ours:
        task = _row(task_id)
        if not ours or not task or not engine or task.status != _STATUS.RUNNING or task.reason:
            return
        if refusal := _refusal(task):
            results.fail(task, refusal)
            return
        try:
            if not _must_wait(task):
                engine.begin(spec_of(task), deadline=Deadline.after(_SECONDS))
        except RuntimeUnknown as error:
            log.warning("backup_task_not_begun", error=str(error))
        except RuntimeFault as fault:
            log.info("backup_task_not_begun", reason=fault.reason, detail=fault.detail)
            if fault.permanent:
                results.fail(task, fault.reason, fault.detail)


def end_backup_task(task_id: str) -> None:
    """End a task whose row no longer wants it, and remove what is left of it."""
    engine = get_backup_engine()
    with structlog.contextvars.bound_contextvars(backup_task=task_id), desktop_lock(task_id) as ours:
        task = _row(task_id)
        if not ours or not engine or (task and task.status == _STATUS.RUNNING and not task.reason):
            return
        try:
            engine.remove(task_id, deadline=Deadline.after(_SECONDS))
        except (RuntimeUnknown, RuntimeFault) as error:  # such as one that is still ending
            log.info("backup_task_not_removed", error=str(error))
            return
        if task and task.status == _STATUS.RUNNING:
            results.fail(task, task.reason)


def _row(task_id: str) -> BackupTask | None:
    related = ("repository__owner", "volume", "backup", "requested_by")
    return BackupTask.objects.select_related(*related).filter(pk=task_id).first()


def spec_of(task: BackupTask) -> TaskSpec:
    repository, volume = task.repository, task.volume
    return TaskSpec(
        id=str(task.pk),
        kind=TaskKind(task.kind),
        repository=access_to(repository),
        volume=volume.object_name if volume else "",
        snapshot=task.backup.snapshot if task.backup else "",
        paths=tuple(task.paths),
        folder=task.folder,
        retention=_retention(task),
        snapshots=_deleted(repository) if task.kind == _KIND.FORGET else (),
        delete_all=task.kind == _KIND.FORGET and repository.deleted_at is not None,
        part=(1, 1) if repository.damaged_since else (repository.next_part, results.PARTS),
        new_volume=_new_volume(task),
        placement=_placement(task),
    )


def _refusal(task: BackupTask) -> str:
    """Return the reason for which a task cannot begin any more, or an empty text."""
    needs_volume = task.kind in (_KIND.BACKUP, _KIND.RESTORE)
    if needs_volume and not task.volume:
        return "volume_gone"
    if task.kind == _KIND.RESTORE and not task.backup:
        return "cancelled"  # the backup was removed meanwhile
    by_portal = not task.requested_by_id and task.trigger in (_TRIGGER.SCHEDULE, _TRIGGER.BEFORE_DELETE)
    if by_portal and task.kind == _KIND.BACKUP and repositories.is_full(task.repository.owner):
        return "quota_exceeded"
    return ""


def _must_wait(task: BackupTask) -> bool:
    """Say whether something of the desktop is still there, such as of one that failed. Raises RuntimeUnknown."""
    if task.kind != _KIND.RESTORE or task.folder:
        return False
    desktop = Desktop.objects.filter(volume=task.volume).first()
    return desktop is not None and get_runtime().observe(desktop.object_name) is not None


def _retention(task: BackupTask) -> Retention | None:
    if task.kind != _KIND.FORGET or task.trigger != _TRIGGER.SCHEDULE:
        return None
    return Retention(
        hourly=settings.BACKUP_KEEP_HOURLY,
        daily=settings.BACKUP_KEEP_DAILY,
        weekly=settings.BACKUP_KEEP_WEEKLY,
        monthly=settings.BACKUP_KEEP_MONTHLY,
    )


def _deleted(repository: BackupRepository) -> tuple[str, ...]:
    return tuple(repository.backups.filter(deleted_at__isnull=False).values_list("snapshot", flat=True))


def _new_volume(task: BackupTask) -> NewVolume | None:
    """Return the home folder that a restore as new files creates."""
    volume, owner = task.volume, task.repository.owner
    if task.kind != _KIND.RESTORE or not volume or volume.pk == task.repository.volume_id:
        return None
    return NewVolume(str(owner.pk), owner.get_username(), volume.storage_gib)


def _placement(task: BackupTask) -> Placement:
    desktop = Desktop.objects.select_related("image").filter(volume=task.volume).first() if task.volume else None
    return placement_of(desktop.image) if desktop else Placement()
