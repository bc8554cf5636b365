"""Restore a snapshot: everything in place of the home folder, or some paths into a new folder of it."""

import os
import signal
import tempfile
from dataclasses import asdict
from pathlib import Path

from desktops.runtimes.backups import home_folder, home_swap, landlock, paths, sparse_files
from desktops.runtimes.backups.base import TaskResult, TaskSpec
from desktops.runtimes.backups.restic import Restic, prepare
from desktops.runtimes.base import RuntimeFault

MOST_FOLDERS_OF_A_NAME = 100


def restore(task: TaskSpec, restic: Restic, home_path: str) -> TaskResult:
    _check(task)
    with home_folder.opened(home_path) as home:
        landlock.confine(_writable(task, home))
        done = home_swap.recover(home, task_id=task.id)
        if done is not None:
            return TaskResult(**done)
        prepare(restic, used=True)
        with home_swap.staging(home, task.id) as folder:
            result = TaskResult(size=_fetch(task, restic, folder))
            home_folder.check(home_path, home)
            if not task.folder:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)  # from here on the home folder is a mixture until the end
                home_swap.commit(home, task.id, folder, asdict(result))
                return result
            _place(task.folder, folder, home)
        home_folder.remove(home_folder.STAGING + task.id, home)
        return result


def resume(task: TaskSpec, home_path: str) -> TaskResult:
    """Finish what a restore that was killed has begun, or undo it. Needs no repository."""
    with home_folder.opened(home_path) as home:
        landlock.confine([home_folder.path_of(home), "/dev"])
        done = home_swap.recover(home, task_id=task.id)
    if done is None:
        raise RuntimeFault("interrupted", "the restore was killed; the home folder was not changed", permanent=False)
    return TaskResult(**done)


def _check(task: TaskSpec) -> None:
    """Refuse a task that would replace the home folder by a part of it, or write elsewhere."""
    name = Path(task.folder).name
    if (task.paths and not task.folder) or task.folder in (".", "..") or name != task.folder:
        raise RuntimeFault("backup_failed", f"cannot restore {len(task.paths)} paths into {task.folder!r}")


def _writable(task: TaskSpec, home: int) -> list[str]:
    """Return the folders that a restore changes: restic locks the repository, and has temporary files."""
    repository = task.repository.location.removeprefix("local:")
    its_folder = [repository] if Path(repository).is_dir() else []
    return [home_folder.path_of(home), "/dev", tempfile.gettempdir(), *its_folder]


def _fetch(task: TaskSpec, restic: Restic, folder: int) -> int:
    new = home_folder.make_folder(home_swap.NEW, folder)
    try:
        only = [word for path in task.paths for word in ("--include", paths.pattern(paths.decode(path)))]
        try:
            # restic compares the hash of each block before it writes it; `--verify` would read all files again.
            restic.run("restore", task.snapshot, "--target", home_folder.path_of(new), *only)
        except RuntimeFault as error:
            if error.reason != "repository_full":
                raise
            raise RuntimeFault("no_room", error.detail, permanent=False) from None
        if task.paths and not home_folder.all_names(new):
            raise RuntimeFault("backup_failed", f"not in the snapshot: {', '.join(task.paths)}")
        return sparse_files.dig_holes(new)
    finally:
        os.close(new)


def _place(name: str, folder: int, home: int) -> None:
    """Move the restored files to the first name that is free."""
    for number in range(1, MOST_FOLDERS_OF_A_NAME):
        free = name if number == 1 else f"{name} ({number})"
        try:
            os.mkdir(free, 0o700, dir_fd=home)
        except FileExistsError:
            continue
        os.rename(home_swap.NEW, free, src_dir_fd=folder, dst_dir_fd=home)  # replaces the empty folder in one step
        return
    raise RuntimeFault("backup_failed", f"no free name like {name!r}")
