"""Format CPU, memory and storage for people: numbers with their units, in the active language."""

from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

Number = float | Decimal
_GIB = 1024  # MiB
_HUNDREDTH = Decimal("0.01")

LABELS = {
    "cpu": gettext_lazy("CPU"),
    "memory_mib": gettext_lazy("Memory"),
    "storage_gib": gettext_lazy("Storage"),
    "gpu": gettext_lazy("GPU"),
    "desktops": gettext_lazy("Desktops"),
}


def plain(number: Number, rounding: str = ROUND_HALF_EVEN) -> str:
    """Return the number with at most two decimals: "2", "0.5", never "2.00" or "1E+1"."""
    text = f"{Decimal(number).quantize(_HUNDREDTH, rounding):f}"
    return text.rstrip("0").rstrip(".")


def cores(number: Number, rounding: str = ROUND_HALF_EVEN) -> str:
    return ngettext("%(number)s core", "%(number)s cores", 1 if number == 1 else 2) % {
        "number": plain(number, rounding)
    }


def memory(mib: Number, rounding: str = ROUND_HALF_EVEN) -> str:
    """Return "2 GiB", or "512 MiB" below one GiB."""
    return f"{_in_unit_of(mib, mib, rounding)} {_memory_unit(mib)}"


def storage(gib: Number, rounding: str = ROUND_HALF_EVEN) -> str:
    return f"{plain(gib, rounding)} GiB"


def data_size(count: int) -> str:
    """Return a number of bytes as "0 B", "3.2 KiB" or "1.5 GiB"."""
    number, units = float(count), ["B", "KiB", "MiB", "GiB", "TiB"]
    while number >= _GIB and len(units) > 1:  # each unit is 1024 times the one before
        number, units = number / _GIB, units[1:]
    return f"{plain(round(number, 1))} {units[0]}"


_FORMATS: dict[str, Callable[[Number, str], str]] = {"cpu": cores, "memory_mib": memory, "storage_gib": storage}


def amount(key: str, number: Number, rounding: str = ROUND_HALF_EVEN) -> str:
    """Return an amount with its unit; `key` is one of LABELS."""
    return _FORMATS.get(key, plain)(number, rounding)


def use(key: str, used: Number, limit: Number) -> str:
    """Return "0 of 1 core": what is used of a limit."""
    return _("%(used)s of %(limit)s") % {"used": used_of(key, used, limit), "limit": amount(key, limit)}


def used_of(key: str, used: Number, limit: Number) -> str:
    """Return what is used, without a unit where the limit beside it has the same."""
    if key != "memory_mib":
        return plain(used)
    return memory(used) if used and _memory_unit(used) != _memory_unit(limit) else _in_unit_of(limit, used)


def shortage(key: str, *, needed: Number, used: Number, limit: Number) -> str:
    """Return a sentence about a quota that is too small. Numbers are rounded so that the shortage is visible."""
    return _("%(what)s: this needs %(more)s, and you use %(used)s of %(limit)s.") % {
        "what": LABELS[key],
        "more": amount(key, needed, ROUND_CEILING),
        "used": used_of(key, used, limit),
        "limit": amount(key, limit, ROUND_FLOOR),
    }


def _memory_unit(mib: Number) -> str:
    return "MiB" if 0 < mib < _GIB else "GiB"


def _in_unit_of(other: Number, mib: Number, rounding: str = ROUND_HALF_EVEN) -> str:
    if _memory_unit(other) == "GiB":
        return plain(Decimal(mib) / _GIB, rounding)
    return f"{Decimal(mib).quantize(Decimal(1), rounding):f}"
