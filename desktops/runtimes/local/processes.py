"""Processes by identity: a pid counts only together with its start time, since pids are given out again."""

import errno
import os
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple


class Process(NamedTuple):
    pid: int
    started: int  # clock ticks since boot


def find(pid: int) -> Process | None:
    """The process that has this pid now; a zombie is none."""
    fields = _stat(pid)
    return None if fields is None or fields[0] == "Z" else Process(pid, int(fields[19]))


def send(process: Process, number: int) -> bool:
    """Signal exactly this process. False: it is gone, or its pid belongs to another one by now."""
    try:
        fd = os.pidfd_open(process.pid)
    except OSError as error:
        if error.errno not in (errno.ESRCH, errno.EINVAL):  # EINVAL: by now it is the id of a thread
            raise
        return False
    try:
        if find(process.pid) != process:  # asked after opening: the descriptor cannot change hands any more
            return False
        signal.pidfd_send_signal(fd, number)
        return True
    except (ProcessLookupError, PermissionError):
        return False
    finally:
        os.close(fd)


def descendants(pid: int) -> list[Process]:
    """Everything below `pid`, zombies left out."""
    children: dict[int, list[Process]] = {}
    for other in _pids():
        fields = _stat(other)
        if fields is not None and fields[0] != "Z":
            children.setdefault(int(fields[1]), []).append(Process(other, int(fields[19])))
    found, todo = [], [pid]
    while todo:
        below = children.pop(todo.pop(), [])
        found += below
        todo += [process.pid for process in below]
    return found


def marked(marker: str) -> Iterator[Process]:
    """Processes whose environment holds `marker` (NAME=value), as far as we may look."""
    wanted = marker.encode()
    for pid in _pids():
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            continue
        if wanted in environment.split(b"\0") and (process := find(pid)):
            yield process


def kill_all(processes: Iterable[Process], *, timeout: float) -> bool:
    """Kill them and wait up to `timeout` seconds; False if one is still there."""
    end, left = time.monotonic() + timeout, set(processes)
    for process in left:
        send(process, signal.SIGKILL)
    while left := {process for process in left if find(process.pid) == process}:
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit())


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/<pid>/stat from the state on: what precedes may itself hold blanks and brackets."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(") ")[2].split()
    except OSError:
        return None
