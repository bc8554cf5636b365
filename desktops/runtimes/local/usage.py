"""Measure a local desktop: the CPU of its processes, and the memory of its control group or processes."""

import json
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil

from desktops.runtimes.base import Usage
from desktops.runtimes.local import cgroups, processes
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
        there = [(parent := psutil.Process(holder.pid)), *parent.children(recursive=True)]
    except psutil.Error:
        return None
    now = _look(there, state.run)
    before = _earlier(place.folder / "usage.json", state.run)
    if before is None or not WINDOW <= now.at - before.at <= STALE:
        time.sleep(WINDOW)
        before, now = now, _look(there, state.run)
    with suppress(OSError):  # removed meanwhile, or a full disk; only the next measurement is less exact
        (place.folder / "usage.json").write_text(json.dumps(now))
    return _usage(state, now, before, there)


def measure_all(desktops: Iterable[tuple[DesktopFolder, HolderState]]) -> dict[str, Usage]:
    """Return the use of all these desktops by name, averaged since the previous call, or else since their start.

    Reads the table of processes once, however many desktops there are. Never waits.
    """
    table = processes.times()
    children: dict[int, list[int]] = {}
    for pid, each in table.items():
        children.setdefault(each.parent, []).append(pid)
    found = {}
    for place, state in desktops:
        if state.holder and state.holder.pid in table and table[state.holder.pid].started == state.holder.started:
            found[place.name] = _measure_tree(place, state, table, _tree(state.holder.pid, children))
    return found


def _measure_tree(
    place: DesktopFolder, state: HolderState, table: dict[int, processes.ProcessTimes], pids: list[int]
) -> Usage:
    now = UsageSample(time.monotonic(), sum(table[pid].cpu for pid in pids), state.run)
    # Not the file of `measure`, which each look at the desktop's page replaces.
    file = place.folder / "sample.json"
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - table[pids[0]].started / processes.CLOCK_TICKS
    before = _earlier(file, state.run) or UsageSample(now.at - age, 0.0, state.run)
    with suppress(OSError):  # removed meanwhile, or a full disk; only the next measurement is less exact
        file.write_text(json.dumps(now))
    there = []
    for pid in pids:
        with suppress(psutil.Error):
            there.append(psutil.Process(pid))
    return _usage(state, now, before, there)


def _tree(pid: int, children: dict[int, list[int]]) -> list[int]:
    """Return the process and all its descendants, itself first."""
    found = [pid]
    for each in found:  # grows meanwhile
        found += children.get(each, [])
    return found


def _usage(state: HolderState, now: UsageSample, before: UsageSample, there: list[psutil.Process]) -> Usage:
    memory = cgroups.memory_mib(state.groups)
    return Usage(
        cpu=max(0.0, now.cpu - before.cpu) / max(now.at - before.at, WINDOW),
        memory_mib=_memory_mib(there) if memory is None else memory,
        cpu_limit=state.limits.cpu if state.groups else None,
        memory_limit_mib=state.limits.memory_mib if state.groups else None,
    )


def _look(there: list[psutil.Process], run: int) -> UsageSample:
    used = 0.0
    for process in there:
        with suppress(psutil.Error):
            times = process.cpu_times()
            # Include ended children, so that the sum never falls.
            used += times.user + times.system + times.children_user + times.children_system
    return UsageSample(time.monotonic(), used, run)


def _earlier(file: Path, run: int) -> UsageSample | None:
    try:
        look = UsageSample(*json.loads(file.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    return look if look.run == run else None


def _memory_mib(there: list[psutil.Process]) -> float:
    """Return the proportional set size if readable, which counts shared pages once."""
    used = 0
    for process in there:
        with suppress(psutil.Error):
            try:
                used += process.memory_full_info().pss
            except psutil.AccessDenied:
                used += process.memory_info().rss
    return used / cgroups.MIB
