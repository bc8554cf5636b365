"""Add up what the nodes of a cluster can give. Pure."""

from collections.abc import Iterable
from contextlib import suppress
from decimal import Decimal
from typing import Any

from desktops.runtimes.base import MachineCapacity
from desktops.runtimes.kubernetes.operations import Body
from desktops.runtimes.kubernetes.pod_usage import quantity

_MIB = 2**20
# Taints of nodes that run no desktops: control planes, and nodes with a problem. Others may have a toleration.
_CONTROL_PLANE = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
_PROBLEM = "node.kubernetes.io/"


def capacity_of(nodes: Iterable[Body]) -> MachineCapacity:
    """Return the allocatable amounts of all nodes that accept pods."""
    amounts = [node["status"].get("allocatable", {}) for node in nodes if _accepts_pods(node)]
    gpu = sum(_number(each, name) for each in amounts for name in each if name.endswith("/gpu"))
    cpu, memory = (sum(_number(each, name) for each in amounts) for name in ("cpu", "memory"))
    return MachineCapacity(len(amounts), float(cpu), float(memory / _MIB), int(gpu))


def _accepts_pods(node: Body) -> bool:
    spec = node.get("spec", {})
    taints = [each["key"] for each in spec.get("taints", []) if each.get("effect") != "PreferNoSchedule"]
    closed = any(key in _CONTROL_PLANE or key.startswith(_PROBLEM) for key in taints)
    conditions = node["status"].get("conditions", [])
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    return ready and not closed and not spec.get("unschedulable")


def _number(amounts: dict[str, Any], name: str) -> Decimal:
    with suppress(ValueError):  # a unit that we do not know
        return quantity(amounts.get(name, "0"))
    return Decimal(0)
