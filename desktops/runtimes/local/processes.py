"""Identify processes by pid and start time, because pids are reused."""

import errno
import os
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")  # per second


class Process(NamedTuple):
    pid: int
    started: int  # clock ticks since boot


def find(pid: int) -> Process | None:
    """Return the process that has this pid now, or None if there is none or only a zombie."""
    fields = _stat(pid)
    return None if fields is None or fields[0] == "Z" else Process(pid, int(fields[19]))


def send(process: Process, number: int) -> bool:
    """Signal exactly this process. Returns False if it is gone or its pid has been reused."""
    try:
        fd = os.pidfd_open(process.pid)
    except OSError as error:
        if error.errno not in (errno.ESRCH, errno.EINVAL):  # EINVAL: the id now belongs to a thread
            raise
        return False
    try:
        # checked after opening: the descriptor refers to the same process from here on
        if find(process.pid) != process:
            return False
        signal.pidfd_send_signal(fd, number)
        return True
    except (ProcessLookupError, PermissionError):
        return False
    finally:
        os.close(fd)


class ProcessTimes(NamedTuple):
    parent: int
    started: int  # clock ticks since boot
    cpu: float  # seconds, with those of its ended children


def times() -> dict[int, ProcessTimes]:
    """Return all processes of this machine by pid, from one pass."""
    found = {}
    for pid in _pids():
        if fields := _stat(pid):
            used = sum(map(int, fields[11:15])) / CLOCK_TICKS
            found[pid] = ProcessTimes(int(fields[1]), int(fields[19]), used)
    return found


def descendants(pid: int) -> list[Process]:
    """Return all descendants of `pid` except zombies."""
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
    """Yield processes whose environment contains `marker` (NAME=value), if it may be read."""
    wanted = marker.encode()
    for pid in _pids():
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            continue
        if wanted in environment.split(b"\0") and (process := find(pid)):
            yield process


def kill_all(processes: Iterable[Process], *, timeout: float) -> bool:
    """Kill the processes and wait up to `timeout` seconds. Returns False if one still exists."""
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
    """Return the fields of /proc/<pid>/stat from the state on. The name before it may contain spaces and brackets."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(") ")[2].split()
    except OSError:
        return None
