"""What goes wrong in a cluster, one fault each: what becomes of the desktop, and what the person is told."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import psutil
import pytest

from tests.cluster.accounts import accounts_in
from tests.cluster.driven import SMALL, Driven, driving
from tests.cluster.kube import Kube
from tests.whole import wait_for

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def driven(kube) -> Iterator[Driven]:
    with driving(kube, ORPHAN_GRACE="5", RELIST_SECONDS="5") as made:
        yield made


@pytest.fixture(autouse=True)
def nothing_is_left(driven) -> Iterator[None]:
    yield
    driven.clear()


@pytest.fixture
def desktop(driven) -> str:
    """One that runs."""
    return driven.run()


def page(driven: Driven, desktop: str) -> str:
    return driven.person.panel(desktop)


def test_controller_killed(driven, desktop):
    driven.portal.kill("run_controller")
    driven.person.act(desktop, "stop")
    driven.wait(desktop, "stopped")
    assert not driven.pods()


def test_worker_killed_in_mid_launch(driven):
    """At moments spread over a launch; between each two API calls of it: see the runtime's own tests."""
    for milliseconds in (0, 60, 150):
        wait_for(lambda: driven.portal.part("rqworker"))
        desktop = driven.person.launch()
        time.sleep(milliseconds / 1000)
        driven.portal.kill("rqworker")
        driven.wait(desktop, "running")
        assert len(driven.pods()) == 1
        driven.delete(desktop)


def test_pod_deleted_by_hand(driven, desktop):
    driven.kube("delete", "pod", driven.name(desktop))
    driven.wait(desktop, "failed")
    assert driven.row(desktop) == ("failed", "vanished")
    assert "ended from outside" in page(driven, desktop)
    assert "Start it again" in page(driven, desktop)
    driven.person.act(desktop, "start")
    driven.wait(desktop, "running")


def test_volume_deleted_by_hand(driven, desktop):
    """Kubernetes keeps a claim that is in use until its pod has ended; then the files are gone, and we say so."""
    [claim] = driven.kube.list("pvc")
    driven.kube("delete", "pvc", claim["metadata"]["name"], "--wait=false")
    assert driven.row(desktop) == ("running", "")
    driven.person.act(desktop, "stop")
    driven.wait(desktop, "stopped")
    wait_for(lambda: not driven.kube.list("pvc"), 60)
    driven.person.act(desktop, "start")
    driven.wait(desktop, "failed")
    assert driven.row(desktop) == ("failed", "volume_lost")
    assert "home folder is no longer in the cluster" in page(driven, desktop)
    assert not driven.pods()


@contextmanager
def launched(driven: Driven, image: str) -> Iterator[str]:
    """A desktop of that container image; deleted afterwards."""
    driven.shell(
        "from desktops.models import DesktopImage, DesktopSize;"
        f"image = DesktopImage.objects.create(name='Odd', image='{image}', position=0);"
        "image.sizes.set(DesktopSize.objects.all())"
    )
    desktop = driven.person.launch()
    try:
        yield desktop
    finally:
        driven.delete(desktop)
        driven.shell("from desktops.models import DesktopImage; DesktopImage.objects.filter(name='Odd').delete()")


def test_what_crashes_again_and_again_is_ended_and_its_log_stays(driven):
    """Here the portal's own image: no desktop, and nothing that runs without settings."""
    with launched(driven, "vnc/manager-api:dev") as desktop:
        driven.wait(desktop, "failed", 150)
        assert driven.row(desktop) == ("failed", "crash_loop")
        wait_for(lambda: not driven.pods(), 60)
        log = driven.person.http.get(f"/desktops/{desktop}/log/").text
        assert "SECRET_KEY" in log
        assert "look at the log" in page(driven, desktop)


def test_image_that_does_not_exist(driven):
    """There is no registry here, so the cluster can only say that it could not fetch it."""
    with launched(driven, "registry.invalid/no/such:1") as desktop:
        wait_for(lambda: driven.row(desktop) == ("starting", "image_pull_failed"), 60)
        assert "could not be fetched yet" in page(driven, desktop)
        driven.wait(desktop, "failed", 150)
        assert driven.row(desktop) == ("failed", "image_pull_failed")
        assert "Its image could not be fetched" in page(driven, desktop)
        wait_for(lambda: not driven.pods(), 60)


def test_quota_of_the_namespace_reached(driven):
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full"}, "spec": {"hard": {"pods": "0"}}}
    driven.kube.apply(quota)
    wait_for(lambda: "hard" in driven.kube.get("resourcequota", "full")["status"])
    desktop = driven.person.launch()
    driven.wait(desktop, "failed")
    assert driven.row(desktop) == ("failed", "namespace_quota")
    assert "reached what the cluster allows" in page(driven, desktop)
    wait_for(lambda: set(driven.objects()) <= {each for each in driven.objects() if each.startswith("Persistent")})
    driven.kube("delete", "resourcequota", "full")
    driven.person.act(desktop, "start")
    driven.wait(desktop, "running")


def test_no_room_in_the_cluster(driven):
    """It waits, says so, and starts by itself when there is room: here it is cancelled instead."""
    driven.shell("from desktops.models import DesktopSize; DesktopSize.objects.update(cpu=500)")
    driven.shell("from accounts.models import Quota; Quota.objects.filter(user=None).update(cpu=1000)")
    try:
        desktop = driven.person.launch()
        wait_for(lambda: driven.row(desktop) == ("starting", "unschedulable"), 60)
        assert "has no room for it at present" in page(driven, desktop)
        driven.person.act(desktop, "stop")
        driven.wait(desktop, "stopped")
    finally:
        driven.shell(SMALL)


def test_a_program_that_needs_too_much_memory_ends_and_the_desktop_goes_on(driven, desktop):
    hog = driven.kube.run("exec", driven.name(desktop), "--", "sh", "-c", "tail /dev/zero", check=False)
    assert hog.returncode == 137  # killed
    assert driven.row(desktop) == ("running", "")
    [pod] = driven.pods()
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0


def test_a_desktop_that_is_killed_for_its_memory_comes_back_and_says_so(driven, desktop):
    """When the kernel chooses the desktop's first process, the whole container ends."""
    choose_first = "echo 1000 > /proc/1/oom_score_adj; tail /dev/zero"
    driven.kube.run("exec", driven.name(desktop), "--", "sh", "-c", choose_first, check=False)
    wait_for(lambda: driven.row(desktop) == ("running", "restarted_memory"), 60)
    assert "needed more memory than it has and was started anew" in page(driven, desktop)
    assert driven.portal.query("SELECT count(*) FROM desktops_desktopevent WHERE kind = 'restarted'")[0][0] == 1


def test_own_orphan_goes_after_its_grace_and_foreign_objects_stay(driven, desktop):
    """As after a restored backup of the database; and another portal's desktop beside it, in the same namespace."""
    [pod] = driven.pods()
    for name, installation in (("vnc-orphan-1", driven.kube.namespace), ("vnc-foreign-1", "another")):
        driven.kube.apply(*_like(driven, pod, name, installation))
    wait_for(lambda: driven.kube.get("pod", "vnc-orphan-1") is None, 90)
    wait_for(lambda: driven.kube.get("configmap", "vnc-orphan-1") is None, 30)
    foreign = driven.kube.get("pod", "vnc-foreign-1")
    assert foreign and "deletionTimestamp" not in foreign["metadata"]
    assert driven.kube.get("configmap", "vnc-foreign-1")
    driven.kube("delete", "pod,configmap", "vnc-foreign-1", "--grace-period=0", "--force")


def _like(driven: Driven, pod: dict, name: str, installation: str) -> list[dict]:
    """A pod and its ConfigMap as a portal of that installation would have made them."""
    labels = pod["metadata"]["labels"] | {
        "podesk/installation": installation,
        "podesk/desktop": "00000000-0000-0000-0000-000000000000",
        "app.kubernetes.io/instance": name,
    }
    metadata = {"name": name, "labels": labels, "annotations": pod["metadata"]["annotations"]}
    config = driven.kube.get("configmap", pod["metadata"]["name"])
    spec = {key: pod["spec"][key] for key in ("securityContext",)} | {
        "automountServiceAccountToken": False,
        "containers": [
            {"name": "desktop", "image": pod["spec"]["containers"][0]["image"], "command": ["sleep", "inf"]}
        ],
        "terminationGracePeriodSeconds": 1,
    }
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": config["data"]},
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec},
    ]


def test_api_server_away_for_a_minute(driven, desktop):
    """Nothing is known, so nothing changes; the picture goes on; what was asked for happens afterwards."""
    server = next(each for each in psutil.process_iter(["name"]) if each.info["name"] == "kube-apiserver")
    server.send_signal(signal.SIGSTOP)
    try:
        driven.person.act(desktop, "stop")
        wait_for(lambda: "do not answer at present" in page(driven, desktop), 60)
        time.sleep(60)
        assert driven.row(desktop) == ("stopping", "by_owner")
    finally:
        server.send_signal(signal.SIGCONT)
    subprocess.run([os.environ["PODESK_CLUSTER"], "up"], check=True, capture_output=True)
    driven.wait(desktop, "stopped", 120)
    driven.person.act(desktop, "start")
    driven.wait(desktop, "running", 120)


def test_namespace_missing(kube):
    """With it the rights in it are gone, so the cluster does not even say that it is missing."""
    missing = Kube(f"{kube.namespace}-missing")
    with driving(missing, accounts=accounts_in(kube.namespace)) as driven:
        desktop = driven.person.launch()
        driven.wait(desktop, "failed")
        assert driven.row(desktop) == ("failed", "cluster_forbids")
        assert "lacks a right in the cluster" in page(driven, desktop)


def test_node_ports_that_something_else_has_are_skipped(kube):
    """As the ingress controller's own ports, which lie in the ranges."""
    vnc, ssh = (_takes_a_port(kube, name) for name in ("ingress-http", "ingress-https"))
    with _by_node_port(kube, f"{vnc}-{vnc + 2}", f"{ssh}-{ssh + 1}") as driven:
        desktop = driven.run()
        service = driven.kube.get("service", driven.name(desktop))
        given = {port["nodePort"] for port in service["spec"]["ports"]}
        assert given == _leased(driven) == {vnc + 1, vnc + 2, ssh + 1}
        driven.clear()


def test_a_node_port_that_turned_out_to_be_taken_is_remembered(kube):
    vnc, ssh = (_takes_a_port(kube, name) for name in ("another", "and-another"))
    with _by_node_port(kube, f"{vnc}-{vnc + 1}", f"{ssh}-{ssh + 1}") as driven:
        desktop = driven.person.launch()
        driven.wait(desktop, "failed")
        assert driven.row(desktop) == ("failed", "no_port_left"), driven.evidence()
        assert "All ports for direct connections are taken" in page(driven, desktop)
        assert vnc in _leased(driven, foreign=True)
        driven.clear()


def _by_node_port(kube: Kube, vnc: str, ssh: str) -> AbstractContextManager[Driven]:
    # An installation of its own: else the other portal here takes its pods for orphans.
    itself = {"INSTALLATION_ID": f"{kube.namespace}-ports", "DESKTOP_EXPOSURE": "nodeport"}
    return driving(kube, DESKTOP_VNC_PORTS=vnc, DESKTOP_SSH_PORTS=ssh, **itself)


def _takes_a_port(kube: Kube, name: str) -> int:
    spec = {"type": "NodePort", "selector": {"app": "none"}, "ports": [{"port": 80}]}
    kube.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec})
    return kube.get("service", name)["spec"]["ports"][0]["nodePort"]


def _leased(driven: Driven, *, foreign: bool = False) -> set[int]:
    found = driven.portal.query("SELECT port, use FROM desktops_portlease")
    return {port for port, use in found if (use == "foreign") == foreign}


def test_the_whole_table_leaves_nothing_behind(driven):
    assert driven.objects() == []
    assert json.loads(driven.kube("get", "secrets", "--selector", "podesk/installation", "-o", "json"))["items"] == []
