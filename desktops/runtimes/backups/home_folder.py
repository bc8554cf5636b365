"""Open a home folder, and work inside it without following its links: its owner controls every name in it."""

import os
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from desktops.runtimes.base import RuntimeFault

STAGING = ".podesk-restore-"  # with the id of the task; a folder in the home folder
IN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def opened(path: str) -> Iterator[int]:
    """Open the home folder, and make it the working directory for this block.

    Raises RuntimeFault if it is gone, now or at the end.
    """
    before = os.open(".", os.O_PATH | os.O_CLOEXEC)
    try:
        home = os.open(path, IN_FOLDER)
    except (FileNotFoundError, NotADirectoryError):
        os.close(before)
        raise _gone(path) from None
    try:
        os.fchdir(home)
        yield home
    finally:
        try:
            check(path, home)  # also after a failure, which it may explain
        finally:
            os.fchdir(before)
            os.close(before)
            os.close(home)


def check(path: str, home: int) -> None:
    """Raise RuntimeFault if the path no longer leads to the folder that was opened."""
    with suppress(FileNotFoundError):
        if os.path.samestat(Path(path).lstat(), os.fstat(home)):
            return
    raise _gone(path)


def _gone(path: str) -> RuntimeFault:
    return RuntimeFault("volume_gone", f"no folder {path}")


def all_names(folder: int) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries]


def names(folder: int) -> list[str]:
    """Return the names in a home folder that its backup contains."""
    return [name for name in all_names(folder) if not name.startswith(STAGING) and not _of_the_disk(folder, name)]


def _of_the_disk(folder: int, name: str) -> bool:
    """Say whether this is the folder that ext4 makes on each disk. Only root can read or move it."""
    if name != "lost+found":
        return False
    return os.stat(name, dir_fd=folder, follow_symlinks=False).st_uid != os.geteuid()


def path_of(folder: int) -> str:
    """Return a path that leads to this open folder for our children too, even if it is renamed meanwhile."""
    os.set_inheritable(folder, True)
    return f"/proc/self/fd/{folder}"


def make_folder(name: str, parent: int) -> int:
    """Create a folder that only its owner may enter, and open it. Raises FileExistsError."""
    os.mkdir(name, 0o700, dir_fd=parent)
    return os.open(name, IN_FOLDER, dir_fd=parent)


def remove(name: str, parent: int) -> None:
    """Remove an entry and all below it. Links are removed, not followed. Raises RuntimeFault."""
    try:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(found.st_mode):
        os.unlink(name, dir_fd=parent)
        return
    with_own_rights(name, parent)
    folder = os.open(name, IN_FOLDER, dir_fd=parent)
    try:
        path = path_of(folder)
        # chmod does not follow links below its argument. Folders may be read-only, which root can ignore.
        subprocess.run(["chmod", "-R", "u+rwX", "."], cwd=path, check=False, capture_output=True)
        done = subprocess.run(
            ["find", ".", "-mindepth", "1", "-delete"], cwd=path, check=False, capture_output=True, text=True
        )
    finally:
        os.close(folder)
    if done.returncode:
        raise RuntimeFault("backup_failed", done.stderr.strip()[-500:])
    os.rmdir(name, dir_fd=parent)


def with_own_rights(name: str, parent: int) -> None:
    """Let the owner of a folder enter and change it: the kernel asks for that even to move it to another folder."""
    folder = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=parent)
    try:
        mode = stat.S_IMODE(os.fstat(folder).st_mode)
        if mode & 0o700 != 0o700:
            Path(f"/proc/self/fd/{folder}").chmod(mode | 0o700)
    finally:
        os.close(folder)
