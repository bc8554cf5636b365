"""Which addresses the pod of a backup task reaches, and that it cannot be reached. The cluster enforces the policies.

For each refused address, another pod shows that it does answer.
"""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from desktops.runtimes.backups.base import TaskKind, TaskSpec
from desktops.runtimes.base import NodePorts
from desktops.tests.support.backup_jobs import (
    ELSEWHERE,
    IMAGE,
    SERVER,
    BackupHarness,
    a_waiting_task,
    addresses,
    silent_server,
)
from desktops.tests.support.kubernetes_namespace import KubeHarness
from desktops.tests.support.runtime_specs import until
from tests.cluster.conftest import IMAGE as DESKTOP_IMAGE
from tests.support.cluster.kubectl import Kube

pytestmark = pytest.mark.cluster

METADATA = "169.254.169.254"  # of a cloud
VNC = 5901
PORTS = NodePorts(30461, 30462, 31461)
Target = tuple[str, int]
_CONNECT = """
import socket, sys
from concurrent.futures import ThreadPoolExecutor

def connects(target):
    host, port = target.rsplit(":", 1)
    try:
        return bool(socket.create_connection((host, int(port)), timeout=2))
    except OSError:
        return False

targets = sys.argv[1:]
for target, there in zip(targets, ThreadPoolExecutor().map(connects, targets)):
    if there:
        print(*target.rsplit(":", 1))
"""


@pytest.fixture(scope="module", autouse=True)
def listeners() -> Iterator[None]:
    """Add the addresses to this machine. Something listens at the port of VNC of each, the repository's too."""
    with addresses(METADATA), silent_server(VNC), ExitStack() as stack:
        for host in (ELSEWHERE, METADATA):
            stack.enter_context(socket.create_server((host, VNC)))
        yield


@pytest.fixture(scope="module")
def desktop(kube) -> Iterator[list[Target]]:
    """Return where the screen of a desktop can be reached that is open to all, through its node port too."""
    harness = KubeHarness(kube, DESKTOP_IMAGE, exposure="nodeport")
    name = harness.run(ports=PORTS).name
    [node] = kube.list("nodes")
    hosts = [each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP"]
    yield [
        (kube.get("pod", name)["status"]["podIP"], VNC),
        (kube.get("service", name)["spec"]["clusterIP"], VNC),
        *((host, PORTS.vnc) for host in hosts),
    ]
    harness.close()


@pytest.fixture(scope="module")
def api() -> Target:
    """Return the address of the cluster's API server."""
    [subset] = Kube("default").get("endpoints", "kubernetes")["subsets"]
    return subset["addresses"][0]["ip"], subset["ports"][0]["port"]


@pytest.fixture(scope="module")
def neighbour(kube) -> Target:
    """Return the address of a pod with the labels of the portal. It listens at the port of VNC, too."""
    until(lambda: kube.get("serviceaccount", "default"), what="the account of pods")
    kube.apply(_neighbour())
    kube("wait", "pod", "neighbour", "--for=condition=Ready", "--timeout=60s")
    return kube.get("pod", "neighbour")["status"]["podIP"], VNC


@pytest.fixture(scope="module")
def backups(kube) -> BackupHarness:
    return BackupHarness(kube)


@pytest.fixture(scope="module")
def task(backups) -> Iterator[TaskSpec]:
    """Yield a verification whose repository has an address, at the port of VNC."""
    with a_waiting_task(backups, TaskKind.VERIFY, f"{SERVER}:{VNC}") as task:
        yield task


@pytest.fixture(scope="module")
def pod(backups, task) -> str:
    return backups.pod_of(task)


def test_a_repository_with_an_address_is_all_that_its_pod_reaches(kube, pod, desktop, neighbour, api):
    repository = (SERVER, VNC)
    targets = [repository, (ELSEWHERE, VNC), (METADATA, VNC), *desktop, neighbour, api]
    until_all_reached(kube, targets)
    assert reached(kube, pod, targets) == [repository]


def test_its_pod_cannot_be_reached(kube, pod, neighbour):
    kube("exec", pod, "--", "sh", "-c", "python -m http.server 8080 >/dev/null 2>&1 &")
    until(lambda: reached(kube, pod, [("127.0.0.1", 8080)]), what="a server in the pod", every=0.2)
    assert reached(kube, "neighbour", [(kube.get("pod", pod)["status"]["podIP"], 8080)]) == []


def test_a_repository_with_a_name_may_be_outside_but_neither_a_desktop_nor_the_cloud(
    kube, backups, desktop, neighbour, api
):
    """Its addresses may change, so the policy allows all that are outside the cluster, at the repository's port."""
    kube.apply(*_named("repository"))
    name = f"repository.{kube.namespace}.svc.cluster.local"
    with a_waiting_task(backups, TaskKind.VERIFY, f"{name}:{VNC}") as named:
        outside = [(SERVER, VNC), (ELSEWHERE, VNC)]
        targets = [*outside, (METADATA, VNC), *desktop, neighbour, api]
        until_all_reached(kube, targets)
        assert reached(kube, backups.pod_of(named), targets) == outside


def until_all_reached(kube: Kube, targets: list[Target]) -> None:
    until(lambda: reached(kube, "neighbour", targets) == targets, what="the neighbour's ways", every=0.2)


def reached(kube: Kube, pod: str, targets: list[Target]) -> list[Target]:
    """Return the targets that accept a connection from that pod."""
    lines = kube.exec(pod, "python", "-c", _CONNECT, *(f"{host}:{port}" for host, port in targets)).splitlines()
    return [(host, int(port)) for host, port in map(str.split, lines)]


def _neighbour() -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": "podesk", "app.kubernetes.io/component": "web"}
    container = {
        "name": "main", "image": IMAGE, "command": ["python", "-m", "http.server", str(VNC)],
        "readinessProbe": {"tcpSocket": {"port": VNC}, "periodSeconds": 1},
        "resources": {"limits": {"cpu": "200m", "memory": "64Mi"}},
    }  # fmt: skip
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "neighbour", "labels": labels}, "spec": spec}


def _named(name: str) -> list[dict[str, Any]]:
    """Return a Service and its endpoint, so that the cluster's name servers know the address of the repository."""
    common: dict[str, Any] = {"apiVersion": "v1", "metadata": {"name": name}}
    ports = [{"port": VNC}]
    return [
        common | {"kind": "Service", "spec": {"clusterIP": "None", "ports": ports}},
        common | {"kind": "Endpoints", "subsets": [{"addresses": [{"ip": SERVER}], "ports": ports}]},
    ]
