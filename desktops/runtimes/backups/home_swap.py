"""Replace everything in a home folder by a restored tree, so that a kill at any moment leaves no mixture.

The tree is restored into a hidden folder of the home folder. When it is complete, a journal says so, and the entries
are exchanged by renames. The next task that finds the journal finishes the exchange. Without a journal, it removes the
hidden folder. A home folder may be a mount point, so it cannot be exchanged as a whole.
"""

import ctypes
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from desktops.runtimes.backups import home_folder
from desktops.runtimes.backups.home_folder import STAGING

NEW, OLD, JOURNAL, CLEARED = "new", "old", "journal", "cleared"
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def staging(home: int, task_id: str) -> Iterator[int]:
    """Create the hidden folder for the restore. It is removed on failure, unless its journal was written."""
    name = STAGING + task_id
    folder = home_folder.make_folder(name, home)
    try:
        yield folder
    except BaseException:
        if not _has(folder, JOURNAL):
            home_folder.remove(name, home)
        raise
    finally:
        os.close(folder)


def commit(home: int, task_id: str, folder: int, result: dict[str, Any]) -> None:
    """Exchange what is in the home folder for what is in `new`. From here on only forward."""
    new = os.open(NEW, home_folder.IN_FOLDER, dir_fd=folder)
    try:
        modes = {name: mode for name in home_folder.all_names(new) if (mode := _locked_mode(name, new)) is not None}
    finally:
        os.close(new)
    _sync(folder)  # the journal must not reach the disk before the files
    _write(folder, JOURNAL, json.dumps({"modes": modes, "result": result}).encode())
    _finish(home, STAGING + task_id, folder)


def recover(home: int, *, task_id: str = "") -> dict[str, Any] | None:
    """Finish or remove what killed restores have left. Return the result of this task if it is finished here."""
    found = None
    for name in sorted(name for name in home_folder.all_names(home) if name.startswith(STAGING)):
        result = _recover_one(home, name)
        if result is not None and name == STAGING + task_id:
            found = result
    return found


def pending(home: int) -> bool:
    """Say whether a killed restore has begun to exchange entries, so that the home folder is a mixture."""
    return any(_journal(home, name) for name in home_folder.all_names(home) if name.startswith(STAGING))


def _recover_one(home: int, name: str) -> dict[str, Any] | None:
    journal = _journal(home, name)
    if journal is None:
        home_folder.remove(name, home)
        return None
    folder = os.open(name, home_folder.IN_FOLDER, dir_fd=home)
    try:
        _finish(home, name, folder)
    finally:
        os.close(folder)
    result: dict[str, Any] = journal["result"]
    return result


def _finish(home: int, name: str, folder: int) -> None:
    modes = json.loads(_read(folder, JOURNAL))["modes"]
    if not _has(folder, CLEARED):
        _move_all(home, folder, OLD)
        _write(folder, CLEARED, b"")
    new = os.open(NEW, home_folder.IN_FOLDER, dir_fd=folder)
    try:
        for each in home_folder.all_names(new):
            _move(each, new, home)
    finally:
        os.close(new)
    for each, mode in modes.items():
        _set_mode(each, home, mode)
    _sync(folder)
    os.unlink(JOURNAL, dir_fd=folder)  # first: a journal without CLEARED would begin the exchange again
    os.fsync(folder)
    home_folder.remove(name, home)


def _move_all(home: int, folder: int, into: str) -> None:
    with suppress(FileExistsError):  # made before a kill
        os.mkdir(into, 0o700, dir_fd=folder)
    old = os.open(into, home_folder.IN_FOLDER, dir_fd=folder)
    try:
        for each in home_folder.names(home):
            _move(each, home, old)
    finally:
        os.close(old)


def _move(name: str, source: int, target: int) -> None:
    if _locked_mode(name, source) is not None:
        home_folder.with_own_rights(name, source)
    os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)


def _locked_mode(name: str, parent: int) -> int | None:
    """Return the mode of a folder that its owner may not change."""
    mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
    return stat.S_IMODE(mode) if stat.S_ISDIR(mode) and mode & 0o700 != 0o700 else None


def _set_mode(name: str, parent: int, mode: int) -> None:
    with suppress(FileNotFoundError, NotADirectoryError):  # the owner was quicker
        folder = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=parent)
        try:
            Path(f"/proc/self/fd/{folder}").chmod(mode)
        finally:
            os.close(folder)


def _sync(folder: int) -> None:
    if _libc.syncfs(folder):
        raise OSError(ctypes.get_errno(), "syncfs")


# --- the journal ------------------------------------------------------------------------------------------------------


def _journal(home: int, name: str) -> dict[str, Any] | None:
    try:
        folder = os.open(name, home_folder.IN_FOLDER, dir_fd=home)
    except OSError:
        return None  # not ours: a file or a link of this name
    try:
        journal: dict[str, Any] = json.loads(_read(folder, JOURNAL))
        is_ours = isinstance(journal["modes"], dict) and isinstance(journal["result"], dict)
        return journal if is_ours and _is_folder(folder, NEW) and _is_folder(folder, OLD, or_missing=True) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None  # never written, or not by us
    finally:
        os.close(folder)


def _is_folder(parent: int, name: str, *, or_missing: bool = False) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return or_missing


def _has(folder: int, name: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _read(folder: int, name: str) -> bytes:
    file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    with os.fdopen(file, "rb") as opened:
        return opened.read()


def _write(folder: int, name: str, content: bytes) -> None:
    """Write a file completely or not at all."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(f"{name}.part", flags, 0o600, dir_fd=folder), "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    os.rename(f"{name}.part", name, src_dir_fd=folder, dst_dir_fd=folder)
    os.fsync(folder)
