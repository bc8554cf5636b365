"""The meters of a running desktop: CPU, memory and files."""

from dataclasses import dataclass
from decimal import Decimal

from core import units
from desktops.models import Desktop, Volume
from desktops.runtimes.base import Usage
from desktops.wording import home_folder


@dataclass(frozen=True)
class Meter:
    key: str
    label: str
    text: str
    percent: int


def of_usage(desktop: Desktop, usage: Usage | None) -> list[Meter]:
    """Return CPU and memory against the limit that is enforced, or else against the desktop's size."""
    if usage is None:
        return []
    cores, memory = usage.cpu_limit or float(desktop.cpu), usage.memory_limit_mib or desktop.memory_mib
    of_cores = units.use("cpu", rough(usage.cpu), cores)
    of_memory = units.use("memory_mib", rough(usage.memory_mib / 1024) * 1024, memory)
    return [
        Meter("cpu", str(units.LABELS["cpu"]), of_cores, _percent(usage.cpu, cores)),
        Meter("memory", str(units.LABELS["memory_mib"]), of_memory, _percent(usage.memory_mib, memory)),
    ]


def of_home_folder(volume: Volume) -> list[Meter]:
    """Return the last measurement of the home folder against what it can hold."""
    if volume.used_bytes is None:
        return []
    percent = _percent(volume.used_bytes, volume.limit_bytes)
    return [Meter("storage", str(units.LABELS["storage_gib"]), home_folder.use(volume), percent)]


def rough(number: float) -> Decimal:
    """Round a measured number to one decimal, or to three below one."""
    exact = Decimal(number)
    return exact.quantize(Decimal("0.001") if exact < 1 else Decimal("0.1"))


def is_unlimited(usage: Usage | None) -> bool:
    """Say whether the desktop may use more than its size, because the machine does not enforce limits."""
    return usage is not None and None in (usage.cpu_limit, usage.memory_limit_mib)


def _percent(used: float, limit: float) -> int:
    return min(100, round(100 * used / limit))
