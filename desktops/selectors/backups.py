"""Who may see which backups. Owners see theirs and what is in them; administrators see ages, sizes and failures."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from accounts.models import User
from core.concurrency import ConcurrencySlot, TooManyOpen
from desktops.exceptions import BackupNotFound, DesktopNotFound, NoSuchFile, TooManyListings
from desktops.lifecycle.backups.access import access_to, read_failure
from desktops.models import AT_REST, Desktop, Volume
from desktops.models.backup import Backup, BackupRepository, BackupTask
from desktops.runtimes.backups import contents, paths
from desktops.runtimes.backups.contents import Entry
from desktops.runtimes.base import RuntimeFault, RuntimeUnknown
from desktops.wording.backup_paths import readable_name

_SHOWN_TASKS = 8
_LONGEST_LISTING = 300.0  # seconds; then its slot is free
# What people asked for or lose something by; the removal of old backups is the portal's own business.
_SHOWN_KINDS = (BackupTask.Kind.BACKUP, BackupTask.Kind.RESTORE, BackupTask.Kind.VERIFY)


@dataclass(frozen=True)
class BackupsOfHome:
    """The backups of one home folder. The repository is missing before the first backup, the volume after its loss."""

    name: str  # of the desktop that the files come from
    volume: Volume | None
    desktop: Desktop | None
    repository: BackupRepository | None
    backups: list[Backup]
    tasks: list[BackupTask]  # newest first

    @property
    def is_working(self) -> bool:
        return any(task.is_open for task in self.tasks)

    @property
    def can_back_up(self) -> bool:
        return bool(self.volume and not self.volume.lost_at and not self.volume.deleting_since)

    @property
    def can_restore(self) -> bool:
        """Return whether the home folder exists and no desktop uses it at present."""
        return self.can_back_up and (self.desktop is None or self.desktop.status in AT_REST)


def backups_of_volume(volume: Volume) -> BackupsOfHome:
    return _backups_of(repository_of(volume), volume)


def repository_of(volume: Volume) -> BackupRepository | None:
    """Return the repository of a home folder, or None before its first backup."""
    return BackupRepository.objects.filter(volume=volume, deleted_at=None).first()


def backups_of_repository(repository: BackupRepository) -> BackupsOfHome:
    return _backups_of(repository, repository.volume)


def _backups_of(repository: BackupRepository | None, volume: Volume | None) -> BackupsOfHome:
    desktop = Desktop.objects.filter(volume=volume).select_related("volume").first() if volume else None
    origin = desktop.name if desktop else volume.desktop_name if volume else repository and repository.desktop_name
    return BackupsOfHome(
        name=origin or "",
        volume=volume,
        desktop=desktop,
        repository=repository,
        backups=list(repository.backups.filter(deleted_at=None)) if repository else [],
        tasks=_tasks_of(repository) if repository else [],
    )


def _tasks_of(repository: BackupRepository) -> list[BackupTask]:
    shown = repository.tasks.filter(kind__in=_SHOWN_KINDS).select_related("backup", "repository")
    return list(shown.order_by("-created_at", "-pk")[:_SHOWN_TASKS])


def repositories_without_files(user: User) -> QuerySet[BackupRepository]:
    """Return the backups that a person still has of home folders that were deleted, newest first."""
    return (
        repositories_of(user)
        .filter(volume=None, backups__deleted_at=None, backups__isnull=False)
        .distinct()
        .order_by("-succeeded_at", "pk")
    )


def repositories_of(user: User) -> QuerySet[BackupRepository]:
    return BackupRepository.objects.filter(owner=user, deleted_at=None).select_related("volume")


def all_repositories() -> QuerySet[BackupRepository]:
    """Return all repositories, for administrators; see accounts.api.permissions."""
    return BackupRepository.objects.filter(deleted_at=None).select_related("owner", "volume")


def repository_for(*, user: User, repository_id: UUID) -> BackupRepository:
    """Return a person's repository. Raises DesktopNotFound."""
    repository = repositories_of(user).filter(pk=repository_id).first()
    if repository is None:
        raise DesktopNotFound(_("There are no such backups."))
    return repository


def backups_of_user(user: User) -> QuerySet[Backup]:
    there = Backup.objects.filter(deleted_at=None, repository__deleted_at=None)
    return there.filter(repository__owner=user).select_related("repository__volume")


def backup_for(*, user: User, backup_id: UUID) -> Backup:
    """Return a person's backup. Raises DesktopNotFound."""
    backup = backups_of_user(user).filter(pk=backup_id).first()
    if backup is None:
        raise BackupNotFound
    return backup


def note_of(desktop: Desktop) -> BackupTask | None:
    """Return the task that deletes or blocks a desktop, or did not delete it: see _backup_note.html."""
    of_delete = Q(trigger=BackupTask.Trigger.BEFORE_DELETE, run=desktop.run) & ~Q(status=BackupTask.Status.SUCCEEDED)
    of_restore = Q(kind=BackupTask.Kind.RESTORE, folder="", status__in=BackupTask.OPEN)
    tasks = BackupTask.objects.filter(of_delete | of_restore, volume=desktop.volume_id)
    return tasks.order_by("-created_at").first()


@dataclass(frozen=True)
class KeptFiles:
    """Kept files, and the backup before their deletion that is open or after which they remained."""

    volume: Volume
    deletion: BackupTask | None


def kept_files(volumes: list[Volume]) -> list[KeptFiles]:
    """Return kept files with their deletions, in the same order."""
    succeeded = Q(status=BackupTask.Status.SUCCEEDED, reason="")
    tasks = BackupTask.objects.filter(trigger=BackupTask.Trigger.BEFORE_DELETE, run=None, volume__in=volumes)
    postponed = Q(requested_by=None, reason="cancelled")
    newest = {task.volume_id: task for task in tasks.exclude(succeeded | postponed).order_by("created_at")}
    return [KeptFiles(volume, _since(volume, newest.get(volume.pk))) for volume in volumes]


def _since(volume: Volume, task: BackupTask | None) -> BackupTask | None:
    """Return the task if it is younger than the files as they were kept last."""
    return task if task and volume.kept_at and task.created_at >= volume.kept_at else None


def backup_task_for(*, user: User, task_id: UUID) -> BackupTask:
    """Return a backup, restore or other task of a person's backups. Raises DesktopNotFound."""
    task = BackupTask.objects.filter(repository__owner=user, pk=task_id).select_related("backup", "repository").first()
    if task is None:
        raise DesktopNotFound(_("There is no such task."))
    return task


@dataclass(frozen=True)
class FolderListing:
    """What one folder of a backup contains. Paths are percent-encoded, because names of files may be any bytes."""

    path: str
    entries: list[Entry]
    is_cut: bool  # there are more entries

    @property
    def above(self) -> list[tuple[str, str]]:
        """Return the name and path of each folder on the way to this one, itself included."""
        parts = self.path.split("/") if self.path else []
        return [(readable_name(part), "/".join(parts[: index + 1])) for index, part in enumerate(parts)]


def contents_of(backup: Backup, path: str) -> FolderListing:
    """Return what a folder of a backup contains; the empty path is the home folder. Raises DesktopRefusal."""
    try:
        with _listing_slot(backup.repository.owner_id):
            found = contents.entries(access_to(backup.repository), backup.snapshot, path)
    except ValueError:
        raise NoSuchFile
    except (RuntimeFault, RuntimeUnknown) as error:
        raise read_failure(backup, error) from error
    ordered = sorted(
        found, key=lambda entry: (entry.kind != "folder", readable_name(entry.path).casefold(), entry.path)
    )
    return FolderListing(path, ordered, len(found) >= contents.MOST_ENTRIES)


@contextmanager
def _listing_slot(owner_id: object) -> Iterator[None]:
    """Hold one of the person's slots: restic needs memory for the names of all files. Raises TooManyListings."""
    slot = ConcurrencySlot("listings", str(owner_id), seconds=_LONGEST_LISTING)
    try:
        slot.acquire()
    except TooManyOpen as refused:
        raise TooManyListings(detail=refused.detail) from refused
    try:
        yield
    finally:
        slot.release()


def are_paths(chosen: list[str]) -> bool:
    """Return whether these are percent-encoded paths inside a home folder."""
    try:
        return bool(chosen) and all(paths.decode(path) for path in chosen)
    except ValueError:
        return False
