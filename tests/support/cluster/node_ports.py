"""Free node ports for tests. All tests on a cluster share its node ports, whatever their namespace."""

import json
import os
from collections.abc import Iterator

from tests.support.cluster.kubectl import Kube

_RANGE = range(32002, 32768)  # above the portal's default ranges, up to Kubernetes' own end
_handed_out: set[int] = set()


def free_ports(kube: Kube, count: int) -> list[int]:
    """Return ports that no Service has and that no earlier call returned, from this test process's own share."""
    used = _handed_out | set(_used(kube))
    ports = [port for port in _share() if port not in used][:count]
    assert len(ports) == count, f"{len(ports)} of {count} node ports are free"
    _handed_out.update(ports)
    return ports


def _share() -> range:
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    return _RANGE[number :: int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))]


def _used(kube: Kube) -> Iterator[int]:
    for service in json.loads(kube("get", "services", "--all-namespaces", "-o", "json"))["items"]:
        yield from (port["nodePort"] for port in service["spec"]["ports"] if "nodePort" in port)
