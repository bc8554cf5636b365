"""Measure a local desktop: the CPU of its processes, and the memory of its control group or processes."""

import json
import time
from contextlib import suppress
from typing import NamedTuple

import psutil

from desktops.runtimes.base import Usage
from desktops.runtimes.local import cgroups
from desktops.runtimes.local.desktop_files import DesktopFolder, HolderState
from desktops.runtimes.local.processes import Process

WINDOW = 0.1  # seconds to measure if there is no earlier sample
STALE = 120.0  # seconds after which an earlier sample is too old


class UsageSample(NamedTuple):
    at: float  # time.monotonic(), which is the same for all processes of a machine
    cpu: float  # seconds used so far
    run: int


def measure(place: DesktopFolder, state: HolderState, holder: Process) -> Usage | None:
    """Return the desktop's use, or None if it has just ended. May take WINDOW seconds."""
    try:
        processes = [(parent := psutil.Process(holder.pid)), *parent.children(recursive=True)]
    except psutil.Error:
        return None
    now = _look(processes, state.run)
    before = _earlier(place, state.run)
    if before is None or not WINDOW <= now.at - before.at <= STALE:
        time.sleep(WINDOW)
        before, now = now, _look(processes, state.run)
    with suppress(OSError):  # removed meanwhile, or a full disk; only the next measurement is less exact
        (place.folder / "usage.json").write_text(json.dumps(now))
    memory = cgroups.memory_mib(state.groups)
    return Usage(
        cpu=max(0.0, now.cpu - before.cpu) / (now.at - before.at),
        memory_mib=_memory_mib(processes) if memory is None else memory,
        cpu_limit=state.limits.cpu if state.groups else None,
        memory_limit_mib=state.limits.memory_mib if state.groups else None,
    )


def _look(processes: list[psutil.Process], run: int) -> UsageSample:
    used = 0.0
    for process in processes:
        with suppress(psutil.Error):
            times = process.cpu_times()
            # Include ended children, so that the sum never falls.
            used += times.user + times.system + times.children_user + times.children_system
    return UsageSample(time.monotonic(), used, run)


def _earlier(place: DesktopFolder, run: int) -> UsageSample | None:
    try:
        look = UsageSample(*json.loads((place.folder / "usage.json").read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    return look if look.run == run else None


def _memory_mib(processes: list[psutil.Process]) -> float:
    """Return the proportional set size if readable, which counts shared pages once."""
    used = 0
    for process in processes:
        with suppress(psutil.Error):
            try:
                used += process.memory_full_info().pss
            except psutil.AccessDenied:
                used += process.memory_info().rss
    return used / cgroups.MIB
