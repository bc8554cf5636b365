"""Make files sparse again: restic 0.14 writes the holes of a file as zeros, which need room."""

import ctypes
import os
import stat
from contextlib import suppress

PUNCH_HOLE, KEEP_SIZE = 2, 1
BLOCK = 1 << 16  # bytes; shorter runs of zeros stay as they are
SMALLEST = 1 << 20  # bytes; smaller files are not worth reading
ZEROS = bytes(BLOCK)
_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


def dig_holes(folder: int) -> int:
    """Free the room of all zeros below this folder. Returns the size of all files in bytes."""
    size = 0
    for _, _, names, parent in os.fwalk(".", dir_fd=folder):
        for name in names:
            found = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if stat.S_ISREG(found.st_mode):
                size += found.st_size
                if found.st_size >= SMALLEST:
                    _dig(name, parent)
    return size


def _dig(name: str, parent: int) -> None:
    with suppress(OSError):  # a file that we may not write, or a file system without holes: it stays as it is
        file = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            found = os.fstat(file)
            for offset in range(0, found.st_size, BLOCK):
                if os.pread(file, BLOCK, offset) == ZEROS:
                    _libc.fallocate(file, PUNCH_HOLE | KEEP_SIZE, offset, BLOCK)
            os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))
        finally:
            os.close(file)
