"""Helpers for tests of backups: an engine with its own home folders, and trees that can be compared."""

import dataclasses
import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from desktops.runtimes.backups.base import ObservedTask, RepositoryAccess, TaskKind, TaskResult, TaskSpec, TaskState
from desktops.runtimes.local import processes, unix_account
from desktops.runtimes.local.backup_engine import LocalBackupEngine
from desktops.tests.support.runtime_specs import ACCOUNT, soon, until

VOLUME = "home-ada"


class BackupHarness:
    """A local engine in a folder that the desktops' account can reach, with one home folder."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="podesk-backups-"))
        self.folder.chmod(0o711)
        self.store = self.folder / "store"
        self.root = self.folder / "local"
        (self.root / "volumes").mkdir(parents=True)
        self.account = unix_account.account(ACCOUNT)
        self.home = unix_account.private_folder(self.root / "volumes" / VOLUME, self.account)
        self.engine = LocalBackupEngine(self.root, repository=str(self.store), user=ACCOUNT)
        self.access = RepositoryAccess(f"{self.store}/homes/1", "a password")

    def close(self) -> None:
        for task in self.engine.observe():
            until(lambda id=task.id: self._removed(id), what="the end of a task")
        for path in self.folder.rglob("*"):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o700)
        shutil.rmtree(self.folder)

    def _removed(self, task_id: str) -> bool:
        try:
            self.engine.remove(task_id, deadline=soon())
        except Exception as error:
            if getattr(error, "permanent", True):
                raise
            return False
        return True

    def task(self, kind: TaskKind, **changes: Any) -> TaskSpec:
        volume = VOLUME if kind in (TaskKind.BACKUP, TaskKind.RESTORE) else ""
        return TaskSpec(
            **({"id": str(uuid.uuid4()), "kind": kind, "repository": self.access, "volume": volume} | changes)
        )

    def begin(self, kind: TaskKind, **changes: Any) -> str:
        task = self.task(kind, **changes)
        self.engine.begin(task, deadline=soon())
        return task.id

    def seen(self, task_id: str) -> ObservedTask:
        return next(task for task in self.engine.observe() if task.id == task_id)

    def ended(self, task_id: str) -> ObservedTask:
        until(lambda: self.seen(task_id).state != TaskState.RUNNING, what=f"task {task_id}", every=0.05)
        return self.seen(task_id)

    def run(self, kind: TaskKind, **changes: Any) -> ObservedTask:
        return self.ended(self.begin(kind, **changes))

    def succeed(self, kind: TaskKind, **changes: Any) -> TaskResult:
        done = self.run(kind, **changes)
        assert done.state == TaskState.SUCCEEDED, done
        assert done.result
        self.access = dataclasses.replace(self.access, used=True)
        return done.result

    def forget_repository(self) -> None:
        """Begin again with a repository that does not exist yet."""
        self.access = dataclasses.replace(self.access, used=False)

    def back_up(self) -> str:
        return self.succeed(TaskKind.BACKUP).snapshot

    @contextmanager
    def turn_taken(self) -> Iterator[None]:
        """Keep all tasks of the repository waiting, as another task of it would."""
        locks = self.engine.tasks / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        with (locks / hashlib.sha256(self.access.location.encode()).hexdigest()[:16]).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def processes(self, task_id: str, name: str) -> list[psutil.Process]:
        """Return the processes of a task that have this name."""
        marker = f"PODESK_BACKUP={self.engine.tasks / task_id}"
        found = [psutil.Process(each.pid) for each in processes.marked(marker)]
        return [each for each in found if each.name().startswith(name)]

    def runner(self, task_id: str) -> psutil.Process:
        """Return the program of a task. A child that has not yet become restic has the same name."""
        found = self.processes(task_id, "python")
        children = {child.pid for each in found for child in each.children()}
        [runner] = [each for each in found if each.pid not in children]
        return runner

    def suspended(self, task_id: str, command: str) -> psutil.Process:
        """Wait until restic runs this command and stop it there. Its lock is in the repository by then."""
        runner = self.runner(task_id)
        restic = until(lambda: self._restic(runner.pid, command), what=f"restic {command}", every=0.002)
        restic.suspend()
        return restic

    def _restic(self, runner: int, command: str) -> psutil.Process | None:
        """Return the child that runs this command and holds a lock. Reads little, because restic is quick."""
        for pid in Path(f"/proc/{runner}/task/{runner}/children").read_text().split():
            with suppress(psutil.NoSuchProcess):
                if command in (each := psutil.Process(int(pid))).cmdline() and self.locks():
                    return each
        return None

    def locks(self) -> list[str]:
        """Return the locks in the repository, without files that restic is still writing."""
        return [path.name for path in self.store.glob("homes/1/locks/*") if "-tmp-" not in path.name]

    def write(self, name: str | bytes, content: bytes = b"text") -> Path:
        """Write a file as the person would."""
        path = self.home / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        for each in (path, *path.parents):
            if self.home in each.parents:
                self.account.own(each)
        return path

    def own(self) -> None:
        """Give everything in the home folder to the account of desktops."""
        for path in self.home.rglob("*"):
            self.account.own(path)


def tree(folder: Path) -> dict[str, tuple[Any, ...]]:
    """Return everything that a backup must keep, by path: kind, mode, owner, time, links and content."""
    twins: dict[int, Path] = {}  # the first name of each file that has several
    return {str(path.relative_to(folder)): _facts(path, twins) for path in sorted(folder.rglob("*"))}


def _facts(path: Path, twins: dict[int, Path]) -> tuple[Any, ...]:
    of = path.lstat()
    facts = (stat.S_IFMT(of.st_mode), stat.S_IMODE(of.st_mode), of.st_uid, of.st_gid, of.st_mtime_ns)
    if stat.S_ISLNK(of.st_mode):
        return *facts, path.readlink()
    if stat.S_ISREG(of.st_mode):
        return *facts, path.read_bytes(), of.st_nlink, twins.setdefault(of.st_ino, path).name
    return facts
