"""CPU and memory limits of a local desktop by control groups, version 2 or 1, where the machine lets us."""

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
    """Marks a sentence for translation by whoever shows it; this package knows no Django."""
    return text


NO_CONTROLLERS = gettext_noop(
    "CPU and memory limits of desktops are not enforced: this machine has no control groups for CPU and memory."
)
NOT_WRITABLE = gettext_noop(
    "CPU and memory limits of desktops are not enforced: Podesk may not write this machine's control groups. "
    "Run it as root, or as a systemd service with Delegate=yes."
)


class Limits(NamedTuple):
    cpu: float  # cores
    memory_mib: int


def hindrance() -> str | None:
    """Why limits cannot be enforced here, in one English sentence to be translated; None when they are."""
    if not all(_hierarchies().values()):
        return NO_CONTROLLERS
    probe = f"podesk-probe-{os.getpid()}"
    groups = create(probe, probe, Limits(1, 512))
    remove(groups)
    return None if groups else NOT_WRITABLE


def create(installation: str, name: str, limits: Limits) -> tuple[str, ...]:
    """Make (or find) the groups of one desktop and set its limits. Empty where the machine does not allow it."""
    groups: dict[Path, None] = {}  # ordered, and one for both controllers in version 2
    for controller, folders in _hierarchies().items():
        group = next(filter(None, (_create_in(parent, installation, name) for parent in folders)), None)
        if group is None or not _set(group, controller, limits):
            remove((*map(str, groups), *([str(group)] if group else [])))
            return ()
        groups[group] = None
    return tuple(map(str, groups))


def entrances(groups: tuple[str, ...]) -> list[int]:
    """Descriptors through which a new child enters. Opened by us, so that it may use them with fewer rights."""
    return [os.open(Path(group, "cgroup.procs"), os.O_WRONLY | os.O_CLOEXEC) for group in groups]


def enter(entrances: list[int]) -> None:
    for fd in entrances:
        os.write(fd, b"0")


def members(groups: tuple[str, ...]) -> set[int]:
    found: set[int] = set()
    for group in groups:
        with suppress(OSError):
            found |= {int(pid) for pid in Path(group, "cgroup.procs").read_text().split()}
    return found


def out_of_memory(groups: tuple[str, ...]) -> bool:
    """Whether the kernel ever killed something in there for want of memory."""
    return any(
        key == "oom_kill" and int(value)
        for group in groups
        for key, value in _pairs(group, "memory.events", "memory.oom_control")
    )


def memory_mib(groups: tuple[str, ...]) -> float | None:
    """Memory in use, without file contents that the kernel would drop at need."""
    for group in groups:
        for used, idle in (("memory.current", "inactive_file"), ("memory.usage_in_bytes", "total_inactive_file")):
            with suppress(OSError):
                total = int(Path(group, used).read_text())
                return max(0, total - int(dict(_pairs(group, "memory.stat")).get(idle, 0))) / MIB
    return None


def remove(groups: tuple[str, ...]) -> None:
    """Remove the groups, and the installation's own when it was the last."""
    for group in groups:
        for _ in range(20):  # members that were just killed leave an instant later
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
    for _ in range(3):  # the installation's group may be removed as empty between our two steps
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
    if not os.access(parent / "cgroup.procs", os.W_OK):  # needed to move a process from where we are
        raise PermissionError(parent)
    _delegate(parent)
    ours.mkdir(exist_ok=True)
    _delegate(ours)


def _delegate(folder: Path) -> None:
    """Hand cpu and memory on to the groups below. Fails with EBUSY where processes live, as version 2 wants it."""
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
        # Lowered in this order and raised in the other: memory with swap may never be less than memory alone.
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
    """Where groups for each controller may be made: our own group first, so that an outer limit keeps holding."""
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
        folder = Path(mount, "" if ".." in inside else inside)  # "..": our group lies outside of what we see
        yield from (place for place in (folder, *folder.parents) if place.is_relative_to(mount) and place.is_dir())


def _own_groups() -> dict[str, str]:
    """Controller -> path of our group; "" is version 2."""
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
