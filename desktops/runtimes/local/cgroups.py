"""Limit the CPU and memory of a local desktop with control groups, version 2 or 1, if the machine allows it."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

PERIOD = 100_000  # microseconds, the kernel's default
MIB = 1024 * 1024
CONTROLLERS = ("cpu", "memory")


def gettext_noop(text: str) -> str:
    """Mark a sentence for translation. This package does not use Django, so its callers translate."""
    return text


NO_CONTROLLERS = gettext_noop(
    "CPU and memory limits of desktops are not enforced: this machine has no control groups for CPU and memory."
)
NOT_WRITABLE = gettext_noop(
    "CPU and memory limits of desktops are not enforced: Podesk has no permission to change this machine's control"
    " groups. Run it as root, or as a systemd service with Delegate=yes."
)


class Limits(NamedTuple):
    cpu: float  # cores
    memory_mib: int


def why_unlimited() -> str | None:
    """Return why limits cannot be enforced here, as an English msgid, or None if they are enforced."""
    if not all(_hierarchies().values()):
        return NO_CONTROLLERS
    probe = f"podesk-probe-{os.getpid()}"
    groups = create(probe, probe, Limits(1, 512))
    remove(groups)
    return None if groups else NOT_WRITABLE


def create(installation: str, name: str, limits: Limits) -> tuple[str, ...]:
    """Create or find the groups of one desktop and set its limits.

    Returns an empty tuple if the machine does not allow it.
    """
    groups: dict[Path, None] = {}  # ordered; in version 2 both controllers share one group
    for controller, folders in _hierarchies().items():
        group = next(filter(None, (_create_in(parent, installation, name) for parent in folders)), None)
        if group is None or not _set(group, controller, limits):
            remove((*map(str, groups), *([str(group)] if group else [])))
            return ()
        groups[group] = None
    return tuple(map(str, groups))


def open_for_joining(groups: tuple[str, ...]) -> list[int]:
    """Return open descriptors with which a new child joins the groups, even after it has dropped its privileges."""
    return [os.open(Path(group, "cgroup.procs"), os.O_WRONLY | os.O_CLOEXEC) for group in groups]


def join(files: list[int]) -> None:
    for fd in files:
        os.write(fd, b"0")


def members(groups: tuple[str, ...]) -> set[int]:
    found: set[int] = set()
    for group in groups:
        with suppress(OSError):
            found |= {int(pid) for pid in Path(group, "cgroup.procs").read_text().split()}
    return found


def out_of_memory(groups: tuple[str, ...]) -> bool:
    """Say whether the kernel has killed a process of the groups because of their memory limit."""
    return any(
        key == "oom_kill" and int(value)
        for group in groups
        for key, value in _pairs(group, "memory.events", "memory.oom_control")
    )


def memory_mib(groups: tuple[str, ...]) -> float | None:
    """Return the memory in use, without file caches that the kernel can drop."""
    for group in groups:
        for used, idle in (("memory.current", "inactive_file"), ("memory.usage_in_bytes", "total_inactive_file")):
            with suppress(OSError):
                total = int(Path(group, used).read_text())
                return max(0, total - int(dict(_pairs(group, "memory.stat")).get(idle, 0))) / MIB
    return None


def remove(groups: tuple[str, ...]) -> None:
    """Remove the groups, and the installation's own group if it is then empty."""
    for group in groups:
        for _ in range(20):  # killed processes leave the group a moment later
            try:
                Path(group).rmdir()
            except FileNotFoundError:
                break
            except OSError:
                time.sleep(0.01)
            else:
                break
        with suppress(OSError):
            Path(group).parent.rmdir()


def _create_in(parent: Path, installation: str, name: str) -> Path | None:
    ours = parent / f"podesk-{installation}"
    for _ in range(3):  # the installation's empty group may be removed between the two steps
        try:
            _make(ours)
            (ours / name).mkdir(exist_ok=True)
            return ours / name
        except FileNotFoundError:
            continue
        except OSError:
            break
    with suppress(OSError):
        ours.rmdir()
    return None


def _make(ours: Path) -> None:
    parent = ours.parent
    if not _is_v2(parent):
        ours.mkdir(exist_ok=True)
        return
    if not os.access(parent / "cgroup.procs", os.W_OK):  # needed to move a process out of our own group
        raise PermissionError(parent)
    _delegate(parent)
    ours.mkdir(exist_ok=True)
    _delegate(ours)


def _delegate(folder: Path) -> None:
    """Enable cpu and memory for the groups below. Version 2 fails with EBUSY if processes live in this group."""
    switch = folder / "cgroup.subtree_control"
    if not set(CONTROLLERS) <= set(switch.read_text().split()):
        switch.write_text("+cpu +memory")


def _set(group: Path, controller: str, limits: Limits) -> bool:
    quota, memory = max(1000, int(limits.cpu * PERIOD)), str(limits.memory_mib * MIB)
    if controller == "cpu":
        values = {"cpu.max": f"{quota} {PERIOD}"} if _is_v2(group) else {"cpu.cfs_quota_us": str(quota)}
        optional = {}
    elif _is_v2(group):
        values, optional = {"memory.max": memory}, {"memory.swap.max": "0"}
    else:
        # Memory with swap must never be less than memory alone; this order works when lowering the limits.
        optional = {"memory.memsw.limit_in_bytes": memory}
        values = {"memory.limit_in_bytes": memory}
    try:
        for file, value in values.items():
            (group / file).write_text(value)
    except OSError:
        return False
    for file, value in optional.items():
        with suppress(OSError):  # a kernel without swap accounting
            (group / file).write_text(value)
    return True


def _hierarchies() -> dict[str, list[Path]]:
    """Return where groups can be created for each controller.

    Our own group comes first, so that outer limits still apply.
    """
    return {controller: list(_candidates(controller)) for controller in CONTROLLERS}


def _candidates(controller: str) -> Iterator[Path]:
    own = _own_groups()
    for line in _lines("/proc/self/mountinfo"):
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        top, mount = left.split()[3:5]
        if kind == "cgroup2" and controller in _words(Path(mount, "cgroup.controllers")):
            path = own.get("", "/")
        elif kind == "cgroup" and controller in options.split(","):
            path = own.get(controller, "/")
        else:
            continue
        inside = path.removeprefix(top.rstrip("/")).strip("/")
        folder = Path(mount, "" if ".." in inside else inside)  # "..": our group is outside the visible tree
        yield from (place for place in (folder, *folder.parents) if place.is_relative_to(mount) and place.is_dir())


def _own_groups() -> dict[str, str]:
    """Return the path of our group for each controller; version 2 has the key ""."""
    own = {}
    for line in _lines("/proc/self/cgroup"):
        _, names, path = line.split(":", 2)
        own.update(dict.fromkeys(names.split(","), path))
    return own


def _is_v2(folder: Path) -> bool:
    return (folder / "cgroup.controllers").exists()


def _lines(file: Path | str) -> list[str]:
    try:
        return Path(file).read_text().splitlines()
    except OSError:
        return []


def _words(file: Path) -> list[str]:
    return " ".join(_lines(file)).split()


def _pairs(group: str, *files: str) -> Iterator[tuple[str, str]]:
    for file in files:
        words = _words(Path(group, file))
        yield from zip(words[::2], words[1::2], strict=False)
