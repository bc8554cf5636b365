"""Exchange the data folder with a new one. An interruption never leaves you without both."""

import ctypes
import errno
import os
import time
from pathlib import Path

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # of renameat2(2)
_UNSUPPORTED = (errno.EINVAL, errno.ENOSYS)
_libc = ctypes.CDLL(None, use_errno=True)


def put_in_place(data: Path, new: Path) -> Path | None:
    """Give the new folder the name of the old one, and return where the old one is now. Raises OSError.

    After an error or a kill, `data` is the old folder or the new one, complete.
    """
    if not data.exists():
        new.rename(data)
        return None
    aside = data.with_name(f"{data.name}.before-{time.strftime('%Y%m%d-%H%M%S')}")
    new.rename(aside)
    try:
        exchanged = _exchange(data, aside)
    except OSError:
        aside.rename(new)
        raise
    if not exchanged:
        aside.rename(new)
        rename_both(data, new, aside)
    return aside


def rename_both(data: Path, new: Path, aside: Path) -> None:
    """Rename `data` to `aside` and `new` to `data`, for file systems that cannot exchange. Raises OSError."""
    data.rename(aside)
    try:
        new.rename(data)
    except OSError:
        aside.rename(data)
        raise


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step. Return False if the file system cannot do this, as NFS. Raises OSError."""
    paths = (_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other))
    if not hasattr(_libc, "renameat2"):
        return False
    if _libc.renameat2(*paths, _RENAME_EXCHANGE) == 0:
        return True
    if (number := ctypes.get_errno()) in _UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number), str(one))
