"""Back up the home folders of local desktops: one process per task, under the desktops' account."""

import fcntl
import hashlib
import os
import pwd
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from desktops.runtimes.backups import task_files
from desktops.runtimes.backups.base import ObservedTask, RepositoryAccess, TaskKind, TaskSpec, TaskState
from desktops.runtimes.backups.restic import MARKER
from desktops.runtimes.base import Deadline, RuntimeFault, RuntimeUnknown
from desktops.runtimes.local import processes, unix_account
from desktops.runtimes.local.launcher import CODE
from desktops.runtimes.local.local_runtime import PATH
from desktops.runtimes.names import check as check_name

TASK_ID = re.compile(r"[0-9a-f-]{36}")
REMOTE = re.compile(r"(rest|s3|sftp|b2|azure|gs|swift|rclone):")
NO_ACCESS = RepositoryAccess("", "")
PASSED_ON = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE",
             "SSL_CERT_DIR", "SSH_AUTH_SOCK")  # fmt: skip


class LocalBackupEngine:
    """All its state is in files. A task's folder holds its lock, which its process keeps until it ends."""

    def __init__(self, root: Path, *, repository: str, user: str = "podesk", path: str = PATH) -> None:
        """`repository` is the location below which each home folder has its own. `user` is for desktops of root."""
        self.root, self.repository, self.user, self.path = root, repository, user, path
        self.tasks = root / "backups"

    def begin(self, task: TaskSpec, *, deadline: Deadline) -> None:
        folder = self.tasks / str(UUID(task.id))
        with _faults():
            if folder.exists():
                return
            account = unix_account.account(self.user)
            self._check(task, account)
            with self._new_folder(folder, task, account) as lock:
                if lock is not None:
                    self._run(task, folder, lock, deadline)

    def observe(self) -> list[ObservedTask]:
        with _faults():
            return [self._observe(folder) for folder in self._folders()]

    def remove(self, task_id: str, *, deadline: Deadline) -> None:
        folder = self.tasks / str(UUID(task_id))
        with _faults():
            if not folder.exists():
                return
            # The end of a killed restore may not be killed: the home folder would be a mixture.
            if _is_held(folder) and not (folder / "resumed").exists():
                processes.kill_all(processes.marked(_marker(folder)), timeout=deadline.remaining)
                while _is_held(folder) and deadline.remaining:  # until the last thread of restic has ended
                    time.sleep(0.01)
            if self._observe(folder).state == TaskState.RUNNING:
                raise RuntimeFault("still_ending", f"backup task {task_id}", permanent=False)
            unix_account.remove_home(folder, deadline)

    # --- beginning ----------------------------------------------------------------------------------------------------

    def _check(self, task: TaskSpec, account: unix_account.Account) -> None:
        """Make what the task needs. Raises RuntimeFault."""
        if not shutil.which("restic", path=self.path):
            raise RuntimeFault("restic_missing", "no program restic; install it with: apt install restic")
        if task.kind in (TaskKind.BACKUP, TaskKind.RESTORE):
            home = self.root / "volumes" / check_name(task.volume)
            if task.new_volume and not home.exists():
                unix_account.private_folder(home, account)
            if home.is_symlink() or not home.is_dir():
                raise RuntimeFault("volume_gone", f"no folder {home}")
        if not REMOTE.match(self.repository) and not task.repository.used:
            folder = Path(self.repository.removeprefix("local:"))
            if not folder.exists():
                folder.mkdir(parents=True, mode=0o700)
                account.own(folder)

    @contextmanager
    def _new_folder(self, folder: Path, task: TaskSpec, account: unix_account.Account) -> Iterator[int | None]:
        """Create the folder of the task with its lock held, or nothing if another process was quicker."""
        passing = 0o711 if account.switch else 0o700
        self.tasks.mkdir(parents=True, exist_ok=True)
        self.tasks.chmod(passing)
        new = folder.with_name(f".new-{folder.name}-{os.getpid()}")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        new.chmod(passing)
        unix_account.private_folder(new / "tmp", account)
        known = replace(task, repository=NO_ACCESS)  # enough to finish a restore that was killed
        _write(new / "task", task_files.write_task(known, self._home(task)))
        lock = os.open(new / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                new.rename(folder)
            except OSError:  # it is there and not empty
                shutil.rmtree(new, ignore_errors=True)
                yield None
                return
            yield lock  # the process's copy keeps the lock
        finally:
            os.close(lock)

    def _home(self, task: TaskSpec) -> str:
        return str(self.root / "volumes" / check_name(task.volume)) if task.volume else ""

    def _run(self, task: TaskSpec, folder: Path, lock: int, deadline: Deadline, *more: str) -> None:
        """Start the process of the task, which continues in the background. Raises RuntimeFault."""
        account = unix_account.account(self.user)
        become = ("--account", f"{account.uid}:{account.gid}") if account.switch else ()
        with _open(folder / "result") as result, _open(folder / "log") as log, self._turn(task) as turn:
            process = subprocess.Popen(
                [sys.executable, "-S", "-E", "-s", "-m", "desktops.runtimes.backups.run", "-", "-", "--detach",
                 "--turn", str(turn.fileno()), *become, *more],
                cwd=CODE, env=self._environment(folder, account), stdin=subprocess.PIPE, stdout=result, stderr=log,
                pass_fds=[lock, turn.fileno()], start_new_session=True,
            )  # fmt: skip
        try:
            process.communicate(task_files.write_task(task, self._home(task)), timeout=max(1.0, deadline.remaining))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise RuntimeFault("backup_failed", "the process did not start in time", permanent=False) from None

    def _environment(self, folder: Path, account: unix_account.Account) -> dict[str, str]:
        passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        own = {"PATH": self.path, "HOME": _home_of(account), "TMPDIR": str(folder / "tmp"), MARKER: str(folder)}
        return passed | own

    def _turn(self, task: TaskSpec) -> BinaryIO:
        """Open the lock file of the task's repository, or of its own if it needs none."""
        locks = self.tasks / "locks"
        locks.mkdir(exist_ok=True, mode=0o700)
        name = hashlib.sha256((task.repository.location or task.id).encode()).hexdigest()[:16]
        return _open(locks / name)

    # --- looking ------------------------------------------------------------------------------------------------------

    def _folders(self) -> list[Path]:
        try:
            return sorted(entry for entry in self.tasks.iterdir() if TASK_ID.fullmatch(entry.name))
        except FileNotFoundError:
            return []

    def _observe(self, folder: Path) -> ObservedTask:
        running = ObservedTask(folder.name, TaskState.RUNNING)
        if _is_held(folder):
            return running
        text = _read(folder / "result")
        if not text and self._resume(folder):
            return running
        return task_files.read_result(folder.name, text)

    def _resume(self, folder: Path) -> bool:
        """Finish or undo a restore that was killed. Returns False if there is nothing to do any more."""
        if (folder / "resumed").exists() or not (text := _read(folder / "task")):
            return False
        task, _ = task_files.read_task(text)
        if task.kind != TaskKind.RESTORE:
            return False
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
        try:
            with suppress(BlockingIOError):  # another process was quicker
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                (folder / "resumed").touch()
                self._run(task, folder, lock, Deadline.after(10), "--resume")
        finally:
            os.close(lock)
        return True


def _home_of(account: unix_account.Account) -> str:
    return pwd.getpwuid(account.uid).pw_dir


def _marker(folder: Path) -> str:
    """Return a variable in the environment of every process of this task."""
    return f"{MARKER}={folder}"


def _open(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b")


def _write(path: Path, text: bytes) -> None:
    with _open(path) as file:
        file.write(text)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _is_held(folder: Path) -> bool:
    """Say whether a process of the task is alive."""
    try:
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(lock)


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RuntimeUnknown(str(error)) from error
