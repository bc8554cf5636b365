"""Raise errors of the operating system as faults of the runtime."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from desktops.runtimes.base import RuntimeFault
from desktops.runtimes.local.desktop_files import FULL


@contextmanager
def faults() -> Iterator[None]:
    """Raise errors of the operating system as RuntimeFault."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise RuntimeFault("disk_full", str(error)) from error
        if isinstance(error, PermissionError) or error.errno == errno.EROFS:
            raise RuntimeFault("dir_unusable", str(error)) from error
        raise RuntimeFault("start_failed", str(error)) from error
