"""Whom a desktop can reach and who can reach it, tried from inside. The cluster must enforce NetworkPolicies."""

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from desktops.tests.runtimes.house import until
from desktops.tests.runtimes.kube_house import KubeHouse
from tests.cluster.conftest import IMAGE
from tests.cluster.kube import Kube

pytestmark = pytest.mark.cluster

SMALL = {"cpu": "100m", "memory": "64Mi"}


@pytest.fixture(scope="module")
def house(kube) -> Iterator[KubeHouse]:
    house = KubeHouse(kube, IMAGE)
    yield house
    house.close()


@pytest.fixture(scope="module")
def desktop(house) -> str:
    return house.run().name


@pytest.fixture(scope="module")
def portal(house) -> Iterator[Kube]:
    """The portal's namespace, with pods that bear the labels of its parts."""
    portal = Kube(f"test-{secrets.token_hex(4)}")
    portal.make_namespace(**{"podesk/portal": house.installation})
    until(lambda: portal.get("serviceaccount", "default"), what="the account of pods")
    portal.apply(bystander("proxy"), bystander("web"))
    portal("wait", "pod", "--all", "--for=condition=Ready", "--timeout=60s")
    yield portal
    portal.forget_namespace()


@pytest.fixture(scope="module")
def stranger(kube) -> str:
    """A pod beside the desktops, with the labels of a proxy but not in the portal's namespace."""
    until(lambda: kube.get("serviceaccount", "default"), what="the account of pods")
    kube.apply(bystander("proxy"))
    kube("wait", "pod", "proxy", "--for=condition=Ready", "--timeout=60s")
    return "proxy"


def bystander(component: str) -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": "podesk", "app.kubernetes.io/component": component}
    container = {"name": "main", "image": IMAGE, "command": ["sleep", "600"], "resources": {"limits": SMALL}}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 1}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": component, "labels": labels}, "spec": spec}


def reaches(kube: Kube, pod: str, host: str, port: int) -> bool:
    command = f"timeout 2 bash -c 'exec 3<>/dev/tcp/{host}/{port}'"
    return kube.run("exec", pod, "--", "sh", "-c", command, check=False).returncode == 0


def address(kube: Kube, pod: str) -> str:
    found = kube.get("pod", pod)
    assert found
    return found["status"]["podIP"]


def service(kube: Kube, name: str) -> str:
    found = kube.get("service", name)
    assert found
    return found["spec"]["clusterIP"]


def test_the_portal_s_proxy_reaches_it_and_nobody_else_does(house, desktop, portal, stranger):
    kube = house.kube
    for host, ssh in ((address(kube, desktop), 2222), (service(kube, desktop), 22)):
        until(lambda host=host: reaches(portal, "proxy", host, 5901), what="the proxy's way")
        assert reaches(portal, "proxy", host, ssh)
        assert not reaches(portal, "proxy", host, 6080)
        for elsewhere, pod in ((portal, "web"), (kube, stranger)):
            assert not reaches(elsewhere, pod, host, 5901)
            assert not reaches(elsewhere, pod, host, ssh)


def test_it_reaches_no_other_desktop(house, desktop, portal):
    other = house.run()
    for host in (address(house.kube, other.name), service(house.kube, other.name)):
        until(lambda host=host: reaches(portal, "proxy", host, 5901), what="the proxy's way")
        assert not reaches(house.kube, desktop, host, 5901)
    assert reaches(house.kube, desktop, "127.0.0.1", 5901)  # that it can ask at all


def test_it_reaches_neither_the_api_nor_the_cloud(house, desktop, stranger):
    [subset] = Kube("default").get("endpoints", "kubernetes")["subsets"]
    servers = [
        (subset["addresses"][0]["ip"], subset["ports"][0]["port"]),
        (service(Kube("default"), "kubernetes"), 443),
    ]
    for host, port in servers:
        assert reaches(house.kube, stranger, host, port)
        assert not reaches(house.kube, desktop, host, port)
    assert not reaches(house.kube, desktop, "169.254.169.254", 80)


def test_it_reaches_name_servers(house, desktop):
    name = "kubernetes.default.svc.cluster.local"
    assert service(Kube("default"), "kubernetes") in house.kube.exec(desktop, "getent", "hosts", name)


def test_it_holds_no_key_to_the_cluster(house, desktop):
    tried = house.kube.run("exec", desktop, "--", "ls", "/var/run/secrets/kubernetes.io", check=False)
    assert "No such file" in tried.stderr
    environment = house.kube.exec(desktop, "env")
    assert "s3cret" not in environment
    assert "VNC_" not in environment.replace("VNC_RESOLUTION", "")  # no addresses of other desktops' Services


def test_it_may_do_nothing_as_root(house, desktop):
    status = house.kube.exec(desktop, "cat", "/proc/1/status")
    assert "Uid:\t1000\t1000\t1000\t1000" in status
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status
    assert house.kube.run("exec", desktop, "--", "touch", "/etc/x", check=False).returncode != 0
