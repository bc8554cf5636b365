"""Compute a pod's use and limits from the metrics API. Pure."""

import re
from dataclasses import replace
from decimal import Decimal
from typing import Any

from desktops.runtimes.base import Usage
from desktops.runtimes.kubernetes.manifests import CONTAINER

_FACTORS = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1),
    "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9), "T": Decimal(10**12),
    "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30), "Ti": Decimal(2**40),
}  # fmt: skip
_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]*)?(?:e[0-9]+)?)([a-zA-Z]*)")
_MIB = 2**20


def usage_of(pod: dict[str, Any], measured: dict[str, Any]) -> Usage | None:
    """Return the pod's use, or None if its container has not been measured yet."""
    limits = _named(pod["spec"]["containers"]).get("resources", {}).get("limits", {})
    used = _without_limits(measured)
    return used and replace(
        used,
        cpu_limit=float(quantity(limits["cpu"])) if "cpu" in limits else None,
        memory_limit_mib=float(quantity(limits["memory"]) / _MIB) if "memory" in limits else None,
    )


def usage_of_each(measured: list[dict[str, Any]]) -> dict[str, Usage]:
    """Return the use of all measured pods by name, without limits. Skips pods without an intelligible measurement."""
    found = {}
    for each in measured:
        try:
            if usage := _without_limits(each):
                found[each["metadata"]["name"]] = usage
        except (LookupError, TypeError, ValueError):
            continue
    return found


def quantity(text: str) -> Decimal:
    """Parse a Kubernetes quantity such as "250m", "1536Mi" or "2". Raises ValueError."""
    found = _QUANTITY.fullmatch(text)
    if not found or found[2] not in _FACTORS:
        raise ValueError(f"not a quantity: {text!r}")
    return Decimal(found[1]) * _FACTORS[found[2]]


def _without_limits(measured: dict[str, Any]) -> Usage | None:
    used = _named(measured["containers"]).get("usage")
    if not used:
        return None
    return Usage(float(quantity(used["cpu"])), float(quantity(used["memory"]) / _MIB), None, None)


def _named(containers: list[dict[str, Any]]) -> dict[str, Any]:
    return next((container for container in containers if container["name"] == CONTAINER), {})
