"""Which addresses a desktop can reach, and from where it can be reached. The cluster must enforce NetworkPolicies.

For each refused address, another pod shows that it does answer.
"""

import secrets
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from desktops.runtimes.base import NodePorts
from desktops.tests.support.kubernetes_namespace import KubeHarness
from desktops.tests.support.runtime_specs import until
from tests.cluster.conftest import IMAGE
from tests.support.cluster.kubectl import Kube

pytestmark = pytest.mark.cluster

SMALL = {"cpu": "100m", "memory": "64Mi"}
PORTS = NodePorts(30421, 30422, 31421)
# Temporary addresses of this machine: one for the internet (RFC 5737), one for the metadata of a cloud.
INTERNET, METADATA = "203.0.113.1", "169.254.169.254"
Target = tuple[str, int]


@pytest.fixture(scope="module")
def harness(kube) -> Iterator[KubeHarness]:
    harness = KubeHarness(kube, IMAGE)
    yield harness
    harness.close()


@pytest.fixture(scope="module")
def desktop(harness) -> str:
    return harness.run().name


@pytest.fixture(scope="module")
def portal(harness) -> Iterator[Kube]:
    """Yield the portal's namespace, with pods that have the labels of its parts."""
    portal = Kube(f"test-{secrets.token_hex(4)}")
    portal.make_namespace(**{"podesk/portal": harness.installation})
    until(lambda: portal.get("serviceaccount", "default"), what="the account of pods")
    portal.apply(bystander("proxy"), bystander("web"))
    portal("wait", "pod", "--all", "--for=condition=Ready", "--timeout=60s")
    yield portal
    portal.forget_namespace()


@pytest.fixture(scope="module")
def stranger(kube) -> str:
    """Return a pod in the desktops' namespace with the labels of a proxy. It is not in the portal's namespace."""
    until(lambda: kube.get("serviceaccount", "default"), what="the account of pods")
    kube.apply(bystander("proxy"))
    kube("wait", "pod", "proxy", "--for=condition=Ready", "--timeout=60s")
    return "proxy"


@pytest.fixture(scope="module")
def outside() -> Iterator[None]:
    """Add both addresses to this machine, with a server at port 80."""
    link = "podesk-outside"
    subprocess.run(["ip", "link", "add", link, "type", "bridge"], check=True)
    try:
        subprocess.run(["ip", "link", "set", link, "up"], check=True)
        with ExitStack() as listeners:
            for host in (INTERNET, METADATA):
                subprocess.run(["ip", "address", "add", f"{host}/32", "dev", link], check=True)
                listeners.enter_context(socket.create_server((host, 80)))
            yield
    finally:
        subprocess.run(["ip", "link", "delete", link], check=True)


@pytest.fixture(scope="module")
def exposed(kube) -> Iterator[KubeHarness]:
    harness = KubeHarness(kube, IMAGE, exposure="nodeport")
    yield harness
    harness.close()


def bystander(component: str) -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": "podesk", "app.kubernetes.io/component": component}
    container = {"name": "main", "image": IMAGE, "command": ["sleep", "600"], "resources": {"limits": SMALL}}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 1}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": component, "labels": labels}, "spec": spec}


def reached(kube: Kube, pod: str, *targets: Target) -> set[Target]:
    """Return the targets that accept a connection from that pod."""
    tries = "".join(
        f"(timeout 2 bash -c 'exec 3<>/dev/tcp/{host}/{port}' 2>/dev/null && echo {host} {port}) & "
        for host, port in targets
    )
    lines = kube.exec(pod, "bash", "-c", f"{tries} wait").splitlines()
    return {(host, int(port)) for host, port in map(str.split, lines)}


def until_reached(kube: Kube, pod: str, *targets: Target) -> None:
    """Wait for SSH and noVNC, which start after the screen, and for the policy of a new pod."""
    until(lambda: reached(kube, pod, *targets) == set(targets), what=f"{pod}'s way to {targets}")


def address(kube: Kube, pod: str) -> str:
    found = kube.get("pod", pod)
    assert found
    return found["status"]["podIP"]


def service(kube: Kube, name: str) -> str:
    found = kube.get("service", name)
    assert found
    return found["spec"]["clusterIP"]


def inside(kube: Kube, name: str) -> list[Target]:
    """Return all ports of a desktop at its two addresses in the cluster."""
    pod, way = address(kube, name), service(kube, name)
    return [(pod, 5901), (pod, 6080), (pod, 2222), (way, 5901), (way, 6080), (way, 22)]


def test_the_portal_s_proxy_reaches_it_and_nobody_else_does(harness, desktop, portal, stranger):
    screen_and_ssh = [target for target in inside(harness.kube, desktop) if target[1] != 6080]
    until_reached(portal, "proxy", *screen_and_ssh)
    assert reached(portal, "proxy", *inside(harness.kube, desktop)) == set(screen_and_ssh)
    assert not reached(portal, "web", *inside(harness.kube, desktop))
    assert not reached(harness.kube, stranger, *inside(harness.kube, desktop))


def test_it_reaches_no_other_desktop(harness, desktop, portal):
    other = harness.run().name
    until_reached(portal, "proxy", *(target for target in inside(harness.kube, other) if target[1] != 6080))
    assert not reached(harness.kube, desktop, *inside(harness.kube, other))
    until_reached(harness.kube, desktop, *(("127.0.0.1", port) for port in (5901, 6080, 2222)))  # it can connect at all


def test_it_reaches_no_desktop_that_is_open_to_all_others(exposed, stranger, outside):
    """A node port would also be reachable through a public address that leads back into the cluster."""
    kube, other = exposed.kube, exposed.run(ports=PORTS).name
    asks = exposed.run(ports=NodePorts(PORTS.vnc + 10, PORTS.novnc + 10, PORTS.ssh + 10)).name
    [node] = kube.list("nodes")
    hosts = [each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP"]
    ports = (PORTS.vnc, PORTS.novnc, PORTS.ssh)
    targets = inside(kube, other) + [(host, port) for host in (*hosts, INTERNET) for port in ports]
    until_reached(kube, stranger, *targets)
    until_reached(kube, asks, (INTERNET, 80))
    assert not reached(kube, asks, *targets)


def test_it_reaches_the_internet_but_neither_the_api_nor_the_cloud(harness, desktop, stranger, outside):
    [subset] = Kube("default").get("endpoints", "kubernetes")["subsets"]
    api = (subset["addresses"][0]["ip"], subset["ports"][0]["port"])
    targets = (INTERNET, 80), (METADATA, 80), api, (service(Kube("default"), "kubernetes"), 443)
    until_reached(harness.kube, stranger, *targets)
    assert reached(harness.kube, desktop, *targets) == {(INTERNET, 80)}


def test_it_reaches_name_servers(harness, desktop):
    name = "kubernetes.default.svc.cluster.local"
    assert service(Kube("default"), "kubernetes") in harness.kube.exec(desktop, "getent", "hosts", name)


def test_it_holds_no_key_to_the_cluster(harness, desktop):
    tried = harness.kube.run("exec", desktop, "--", "ls", "/var/run/secrets/kubernetes.io", check=False)
    assert "No such file" in tried.stderr
    environment = harness.kube.exec(desktop, "env")
    assert "s3cret" not in environment
    assert "VNC_" not in environment.replace("VNC_RESOLUTION", "")  # no addresses of other desktops' Services


def test_it_may_do_nothing_as_root(harness, desktop):
    status = harness.kube.exec(desktop, "cat", "/proc/1/status")
    assert "Uid:\t1000\t1000\t1000\t1000" in status
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status
    assert harness.kube.run("exec", desktop, "--", "touch", "/etc/x", check=False).returncode != 0
