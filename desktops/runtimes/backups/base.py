"""The interface of backup engines, which run restic on the home folders of desktops. Does not use Django."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from desktops.runtimes.base import Deadline, Placement


class TaskKind(StrEnum):
    BACKUP = "backup"  # save a home folder as a new snapshot
    RESTORE = "restore"  # write a snapshot, or some paths of it, into a home folder
    VERIFY = "verify"  # check a part of the stored data, and restore a random file to a temporary place
    FORGET = "forget"  # remove old snapshots, and the data that no other snapshot needs


@dataclass(frozen=True)
class RepositoryAccess:
    """How to open the restic repository of one home folder. No two home folders share a repository or password."""

    location: str  # as restic takes it
    password: str = field(repr=False)
    environment: dict[str, str] = field(default_factory=dict, repr=False)  # credentials, such as AWS_SECRET_ACCESS_KEY
    used: bool = False  # it has held a snapshot; if it is missing, it must not be replaced by an empty one


@dataclass(frozen=True)
class Retention:
    """How many snapshots to keep: the last one of each hour, day, week and month that has one."""

    hourly: int
    daily: int
    weekly: int
    monthly: int


@dataclass(frozen=True)
class NewVolume:
    """The home folder that a restore makes first, if there is none of that name."""

    owner_id: str
    owner_name: str
    storage_gib: int


@dataclass(frozen=True)
class TaskSpec:
    """One run of restic. An engine that is asked to begin the same id twice does it once."""

    id: str  # UUID of its row; names its process or Job
    kind: TaskKind
    repository: RepositoryAccess
    volume: str = ""  # object name of the home folder; empty for VERIFY and FORGET
    snapshot: str = ""  # RESTORE: id of the snapshot
    paths: tuple[str, ...] = ()  # RESTORE: only these, as paths.py encodes them; empty: everything
    folder: str = ""  # RESTORE: into this new folder of the home folder; empty: replace the whole home folder
    retention: Retention | None = None  # FORGET: keep these; None: remove only what the next two say
    snapshots: tuple[str, ...] = ()  # FORGET: remove these, besides those that retention does not keep
    delete_all: bool = False  # FORGET: remove all snapshots
    part: tuple[int, int] = (1, 1)  # VERIFY: which part of how many to read
    new_volume: NewVolume | None = None  # RESTORE: into a home folder that may not exist yet
    placement: Placement = field(default_factory=Placement)  # cluster: where the desktops of this home folder may run


class TaskState(StrEnum):
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True)
class TaskResult:
    """What a task that succeeded has done. Sizes are bytes."""

    snapshot: str = ""  # BACKUP: id of the new snapshot; VERIFY: of the one that a file was restored from
    size: int = 0  # BACKUP, RESTORE: of all files
    added: int = 0  # BACKUP: stored in the repository that was not there
    files_new: int = 0
    files_changed: int = 0
    files_unmodified: int = 0
    files_unread: int = 0  # BACKUP: could not be read, so they are not in the snapshot
    snapshots: tuple[str, ...] = ()  # FORGET: ids that are left
    repository_size: int = 0  # FORGET: of the repository afterwards


@dataclass(frozen=True)
class ObservedTask:
    """The observed state of one task."""

    id: str
    state: TaskState
    result: TaskResult | None = None  # if it succeeded
    reason: str = ""  # slug of desktops/wording/backup_reasons.py, if it failed
    detail: str = ""  # for the log, not for people


class BackupEngine(Protocol):
    """Runs tasks in the background. All operations are idempotent, and a task may be killed at any moment."""

    def begin(self, task: TaskSpec, *, deadline: Deadline) -> None:
        """Begin a task, unless it has begun already. Raises RuntimeFault, RuntimeUnknown."""

    def observe(self) -> list[ObservedTask]:
        """Return all tasks of this installation that have begun and were not removed. Raises RuntimeUnknown.

        A task that was killed has failed with the reason "interrupted".
        """

    def remove(self, task_id: str, *, deadline: Deadline) -> None:
        """End a task that still runs, and remove what is left of it, its secrets included.

        Raises a RuntimeFault that is not permanent while the task is still ending: call again. Raises RuntimeUnknown.
        """
