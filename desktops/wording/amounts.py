"""Numbers as people read them: amounts with units, and how full something is."""

from dataclasses import dataclass
from decimal import Decimal
from math import ceil

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from desktops.models import Desktop
from desktops.runtimes.base import Usage


@dataclass(frozen=True)
class Meter:
    key: str
    label: str
    text: str
    percent: int


def gib(mib: float | Decimal) -> str:
    """MiB as GiB, with one decimal where it says something."""
    return amount(Decimal(mib) / 1024)


def amount(number: float | Decimal) -> str:
    """At most one decimal, or two below one."""
    exact = Decimal(number)
    rounded = exact.quantize(Decimal("0.01") if exact < 1 else Decimal("0.1"))
    return f"{rounded.normalize():f}"


def of_usage(desktop: Desktop, usage: Usage | None) -> list[Meter]:
    """CPU and memory against the limit that holds, or else against the desktop's size."""
    if usage is None:
        return []
    cores, memory = usage.cpu_limit or float(desktop.cpu), usage.memory_limit_mib or desktop.memory_mib
    of_cores = ngettext("%(used)s of %(limit)s core", "%(used)s of %(limit)s cores", ceil(cores)) % {
        "used": amount(usage.cpu),
        "limit": amount(cores),
    }
    of_memory = _("%(used)s of %(limit)s GiB") % {"used": gib(usage.memory_mib), "limit": gib(memory)}
    return [
        Meter("cpu", _("CPU"), of_cores, _percent(usage.cpu, cores)),
        Meter("memory", _("Memory"), of_memory, _percent(usage.memory_mib, memory)),
    ]


def is_unlimited(usage: Usage | None) -> bool:
    """Does the machine let it use more than its size says?"""
    return usage is not None and None in (usage.cpu_limit, usage.memory_limit_mib)


def _percent(used: float, limit: float) -> int:
    return min(100, round(100 * used / limit))
