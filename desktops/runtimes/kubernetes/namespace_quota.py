"""Read the ResourceQuotas of the desktops' namespace. Pure."""

from collections.abc import Iterable
from contextlib import suppress

from desktops.runtimes.base import ResourceQuotaUse
from desktops.runtimes.kubernetes.operations import Body
from desktops.runtimes.kubernetes.pod_usage import quantity


def uses_of(quotas: Iterable[Body]) -> tuple[ResourceQuotaUse, ...]:
    """Return the use of each resource. If several quotas limit the same one, the fullest decides."""
    fullest: dict[str, ResourceQuotaUse] = {}
    for use in (use for quota in quotas for use in _uses(quota.get("status", {}))):
        known = fullest.setdefault(use.resource, use)
        if use.share > known.share:
            fullest[use.resource] = use
    return tuple(fullest.values())


def _uses(status: Body) -> Iterable[ResourceQuotaUse]:
    used = status.get("used", {})
    for resource, hard in status.get("hard", {}).items():
        with suppress(ValueError):  # a unit that we do not know
            yield ResourceQuotaUse(resource, float(quantity(used.get(resource, "0"))), float(quantity(hard)))
