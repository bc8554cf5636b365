"""Let the kernel refuse all changes of files outside some folders, for this process and its children (Landlock).

A desktop that runs during a restore could put a link where restic is about to write. With this it leads nowhere.
"""

import ctypes
import os
from collections.abc import Iterable
from struct import pack

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # system calls, the same numbers on all architectures
VERSION, PATH_BENEATH, PR_SET_NO_NEW_PRIVS = 1, 1, 38
# Write, remove, make of all kinds, and rename across folders: the bits of LANDLOCK_ACCESS_FS_* without reading.
CHANGES = (1 << 1) | sum(1 << bit for bit in range(4, 14))
TRUNCATE = 1 << 14  # since version 3
FIRST_VERSION = 2  # version 1 refuses all renames across folders
_libc = ctypes.CDLL(None, use_errno=True)


def confine(writable: Iterable[str]) -> bool:
    """Allow changes only below these folders. Returns False if the kernel does not support it."""
    version = _libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(VERSION))
    if version < FIRST_VERSION:
        return False
    rights = CHANGES | (TRUNCATE if version >= 3 else 0)
    attributes = pack("=Q", rights)
    ruleset = _call(CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint(0))
    try:
        for path in writable:
            _allow(ruleset, path, rights)
        if _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "PR_SET_NO_NEW_PRIVS")
        _call(RESTRICT_SELF, ruleset, ctypes.c_uint(0))
    finally:
        os.close(ruleset)
    return True


def _allow(ruleset: int, path: str, rights: int) -> None:
    folder = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _call(ADD_RULE, ruleset, PATH_BENEATH, pack("=Qi", rights, folder), ctypes.c_uint(0))
    finally:
        os.close(folder)


def _call(number: int, *arguments: object) -> int:
    done = int(_libc.syscall(number, *arguments))
    if done < 0:
        raise OSError(ctypes.get_errno(), f"landlock, system call {number}")
    return done
