"""Faults of a cluster, one per test: the effect on the desktop, and what the user is shown."""

import json
import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from tests.support.cluster.fault_gateway import Gateway, Moment, gateway_to
from tests.support.cluster.image_registry import empty_registry
from tests.support.cluster.kubectl import Kube
from tests.support.cluster.parallel_launches import more
from tests.support.cluster.podesk_outside import Driven, driving
from tests.support.cluster.service_accounts import accounts_in
from tests.support.cluster.stream_client import viewing
from tests.support.running_podesk import wait_for

pytestmark = pytest.mark.cluster

CALLS = 7  # of a first start that change something; see desktops/tests/runtimes/test_kubernetes_start.py
AWAY = 60  # seconds
# The first image is the real desktop. The others are for faults that need no screen.
PREPARE = """
from accounts.models import Quota
from desktops.models import DesktopImage, DesktopSize
Quota.objects.filter(user=None, group=None).update(desktops=50, cpu=1000, memory_mib=99999, storage_gib=999)
for name, image, cpu in (
    ("Bare", "{bare}", "0.05"), ("Huge", "{bare}", 500), ("Nowhere", "{registry}/no/such:1", "0.05"),
    ("Unreachable", "registry.invalid/no/such:1", "0.05"), ("Broken", "vnc/manager-api:dev", 1),
):
    size = DesktopSize.objects.create(name=name, cpu=cpu, memory_mib=256, storage_gib=1)
    DesktopImage.objects.create(name=name, image=image, position=999).sizes.add(size)
"""


@pytest.fixture(scope="module")
def gateway(kube) -> Iterator[Gateway]:
    with gateway_to(accounts_in(kube.namespace).cluster) as made:
        yield made


@pytest.fixture(scope="module")
def driven(kube, gateway, bare) -> Iterator[Driven]:
    with empty_registry() as registry:
        prepare = PREPARE.format(bare=bare, registry=registry)
        with driving(kube, server=gateway.url, prepare=prepare, ORPHAN_GRACE="5", RELIST_SECONDS="5") as made:
            yield made


@pytest.fixture(autouse=True)
def nothing_is_left(driven) -> Iterator[None]:
    yield
    driven.clear()


@pytest.fixture
def desktop(driven) -> str:
    """Return a running desktop of the real image."""
    return driven.run()


@pytest.fixture
def bare_desktop(driven) -> str:
    """Return a running desktop without any programs."""
    return driven.run("Bare")


def page(driven: Driven, desktop: str) -> str:
    return driven.person.panel(desktop)


def shows(driven: Driven, desktop: str, status: str) -> bool:
    return f'data-status="{status}"' in page(driven, desktop)


def test_controller_killed(driven, bare_desktop):
    """Another controller continues. Until then the page shows the requested action and that it is in progress."""
    driven.portal.kill("run_controller")
    driven.person.act(bare_desktop, "stop")
    assert "Closing the programs of the desktop." in page(driven, bare_desktop)
    driven.wait(bare_desktop, "stopped")
    assert "You stopped it." in page(driven, bare_desktop)
    assert not driven.pods()


def test_a_controller_that_hangs_is_replaced_within_seconds(driven, bare_desktop):
    """The lease runs out as when a machine fails, and the waiting controller takes over."""
    with more(driven.portal, "run_controller", 1), held(driven.portal.part("run_controller")):
        driven.person.act(bare_desktop, "stop")
        assert "Closing the programs of the desktop." in page(driven, bare_desktop)
        driven.wait(bare_desktop, "stopped", seconds=60)
    assert "You stopped it." in page(driven, bare_desktop)


@pytest.mark.alone
@pytest.mark.outage
def test_worker_killed_between_each_two_calls_of_a_launch(driven, gateway):
    """The worker is also killed before it gets the answer. Another continues, and the start takes a little longer."""
    moments = [Moment(calls, heard) for heard in (True, False) for calls in range(1, CALLS + 1)]
    gateway.kill_at(*moments)
    with more(driven.portal, "rqworker", len(moments)):  # besides the portal's own: one remains
        desktops = []
        for moment in moments:
            desktops.append(driven.launch("Bare", name=f"desktop {len(desktops)}"))
            wait_for(lambda moment=moment: moment.last, 60)
            assert driven.row(desktops[-1]) == ("starting", ""), moment
            assert "Starting the desktop." in page(driven, desktops[-1]), moment
        for moment, desktop in zip(moments, desktops, strict=True):
            driven.wait(desktop, "running")
            assert driven.row(desktop) == ("running", ""), moment
            assert shows(driven, desktop, "running"), moment
    assert [moment.last for moment in gateway.passed] == 2 * [
        "POST persistentvolumeclaims",
        *("POST configmaps", "POST secrets", "POST networkpolicies", "POST services", "POST pods"),
        "PATCH configmaps",
    ]
    pods = Counter(pod["metadata"]["labels"]["podesk/desktop"] for pod in driven.pods())
    assert pods == Counter(desktops)
    kinds = Counter(each.split("/")[0] for each in driven.objects())
    assert kinds == dict.fromkeys(
        ("ConfigMap", "NetworkPolicy", "PersistentVolumeClaim", "Pod", "Secret", "Service"), len(desktops)
    )
    assert not driven.portal.query("SELECT 1 FROM desktops_desktopevent WHERE kind = 'failed'")


def test_pod_deleted_by_hand(driven, bare_desktop):
    driven.kube("delete", "pod", driven.name(bare_desktop))
    driven.wait(bare_desktop, "failed")
    assert driven.row(bare_desktop) == ("failed", "vanished")
    assert "ended from outside" in page(driven, bare_desktop)
    assert "Start it again" in page(driven, bare_desktop)
    driven.person.act(bare_desktop, "start")
    driven.wait(bare_desktop, "running")


def test_volume_deleted_by_hand(driven, bare_desktop):
    """Kubernetes keeps a claim until its pod has ended. Then the files are gone, and the page says so."""
    [claim] = driven.kube.list("pvc")
    driven.kube("delete", "pvc", claim["metadata"]["name"], "--wait=false")
    assert driven.row(bare_desktop) == ("running", "")
    driven.person.act(bare_desktop, "stop")
    driven.wait(bare_desktop, "stopped")
    wait_for(lambda: not driven.kube.list("pvc"), 60)
    driven.person.act(bare_desktop, "start")
    driven.wait(bare_desktop, "failed")
    assert driven.row(bare_desktop) == ("failed", "volume_lost")
    assert "home folder is no longer in storage" in page(driven, bare_desktop)
    assert not driven.pods()
    driven.person.act(bare_desktop, "start-with-new-files")  # as the page advises
    driven.wait(bare_desktop, "running")
    [new] = driven.kube.list("pvc")
    assert new["metadata"]["name"] != claim["metadata"]["name"]
    [(lost,)] = driven.portal.query("SELECT object_name FROM desktops_volume WHERE lost_at IS NOT NULL")
    assert lost == claim["metadata"]["name"]


@pytest.mark.parametrize("kind", ["service", "networkpolicy", "configmap"])
def test_what_is_deleted_around_a_desktop_that_runs_comes_back(driven, bare_desktop, kind):
    """Deleting the ConfigMap deletes the others too. The pod stays, and the Service gets its old address again."""
    name, before = driven.name(bare_desktop), sorted(driven.objects())
    uid, address = driven.pods()[0]["metadata"]["uid"], driven.kube.get("service", name)["spec"]["clusterIP"]
    driven.kube("delete", kind, name)
    query = "SELECT count(*) FROM desktops_desktopevent WHERE kind = 'mended'"
    wait_for(lambda: driven.portal.query(query) == [(1,)], 60)
    assert sorted(driven.objects()) == before
    assert driven.kube.get("service", name)["spec"]["clusterIP"] == address
    assert driven.pods()[0]["metadata"]["uid"] == uid
    driven.wait(bare_desktop, "running", "")
    html = page(driven, bare_desktop)
    assert "A part of it was deleted in the cluster" in html and "was created again" in html
    driven.person.act(bare_desktop, "stop")  # all repaired objects are deleted with the pod
    driven.wait(bare_desktop, "stopped")
    wait_for(lambda: {each.split("/")[0] for each in driven.objects()} == {"PersistentVolumeClaim"}, 60)


def test_a_secret_that_is_deleted_comes_back(driven, bare_desktop):
    """The portal does not list Secrets. The kubelet reports within two minutes that one is missing."""
    name = driven.name(bare_desktop)
    driven.kube("delete", "secret", name)
    wait_for(lambda: driven.kube.get("secret", name), 180)
    assert driven.row(bare_desktop) == ("running", "")


def test_what_crashes_again_and_again_is_ended_and_its_log_stays(driven):
    """The image is the portal's own, which is not a desktop and does not run without settings."""
    desktop = driven.launch("Broken")
    driven.wait(desktop, "failed")
    assert driven.row(desktop) == ("failed", "crash_loop")
    wait_for(lambda: not driven.pods(), 60)
    log = driven.person.http.get(f"/desktops/{desktop}/log/").text
    assert "SECRET_KEY" in log
    assert "look at the log" in page(driven, desktop)


def test_image_that_does_not_exist(driven):
    """The registry says that the image does not exist, so the start does not wait."""
    desktop = driven.launch("Nowhere")
    driven.wait(desktop, "failed", seconds=90)
    assert driven.row(desktop) == ("failed", "image_not_found")
    assert "Its image does not exist, or its name is wrong." in page(driven, desktop)
    assert "Ask an administrator" in page(driven, desktop)


def test_image_whose_registry_does_not_answer(driven):
    """The registry may come back, so the cluster tries again until the timeout (see test_waiting.py)."""
    desktop = driven.launch("Unreachable")
    driven.wait(desktop, "starting", "image_pull_failed")
    assert "could not be fetched yet" in page(driven, desktop)
    driven.person.act(desktop, "stop")
    driven.wait(desktop, "stopped")
    wait_for(lambda: not driven.pods(), 60)


def test_quota_of_the_namespace_reached(driven):
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full"}, "spec": {"hard": {"pods": "0"}}}
    driven.kube.apply(quota)
    wait_for(lambda: "hard" in driven.kube.get("resourcequota", "full")["status"])
    desktop = driven.launch("Bare")
    driven.wait(desktop, "failed")
    assert driven.row(desktop) == ("failed", "namespace_quota")
    assert "0 of 0 desktops (pods) are in use, and this desktop needs 1." in page(driven, desktop)
    wait_for(lambda: set(driven.objects()) <= {each for each in driven.objects() if each.startswith("Persistent")})
    driven.kube("delete", "resourcequota", "full")
    driven.person.act(desktop, "start")
    driven.wait(desktop, "running")


def test_a_limit_range_that_refuses_the_pod_is_said_with_its_number(driven):
    """The limit is shown on the page and to scripts."""
    most = {"type": "Container", "max": {"memory": "128Mi"}}
    driven.kube.apply(
        {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "small"}, "spec": {"limits": [most]}}
    )
    try:
        desktop = driven.launch("Bare")
        driven.wait(desktop, "failed")
    finally:
        driven.kube("delete", "limitrange", "small")
    assert driven.row(desktop) == ("failed", "above_limit")
    said = "This desktop requests 256Mi memory, and the cluster allows at most 128Mi for one desktop."
    assert said in page(driven, desktop)
    driven.person.act(desktop, "start")
    driven.wait(desktop, "running")


def test_no_room_in_the_cluster(driven):
    """It waits with a reason and would start when there is room. This test cancels it."""
    desktop = driven.launch("Huge")
    driven.wait(desktop, "starting", "unschedulable")
    assert "has no room for it at present" in page(driven, desktop)
    driven.person.act(desktop, "stop")
    driven.wait(desktop, "stopped")


def test_a_program_that_needs_too_much_memory_ends_and_the_desktop_goes_on(driven, desktop):
    hog = driven.kube.run("exec", driven.name(desktop), "--", "sh", "-c", "tail /dev/zero", check=False)
    assert hog.returncode == 137  # killed for its memory
    assert driven.row(desktop) == ("running", "")
    [pod] = driven.pods()
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0


def test_a_desktop_that_is_killed_for_its_memory_comes_back_and_says_so(driven, desktop):
    """The whole container ends if the kernel kills the desktop's first process."""
    # Many processes, because the kernel would prefer a single large one.
    fill = "for each in $(seq 64); do (head -c 64m /dev/zero; sleep 60) | tail >/dev/null & done; wait"
    choose_first = f"echo 1000 > /proc/1/oom_score_adj; {fill}"
    driven.kube.run("exec", driven.name(desktop), "--", "sh", "-c", choose_first, check=False)
    driven.wait(desktop, "running", "restarted_memory")
    assert "ran out of memory and was restarted" in page(driven, desktop)
    assert driven.portal.query("SELECT count(*) FROM desktops_desktopevent WHERE kind = 'restarted'")[0][0] == 1


def test_own_orphan_goes_after_its_grace_and_foreign_objects_stay(driven, bare_desktop):
    """The row is missing as after a restored backup. A desktop of another portal is in the same namespace."""
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
    """Return a pod and its ConfigMap as a portal of that installation would create them."""
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


@pytest.mark.alone
@pytest.mark.outage
def test_api_server_away_for_a_minute(driven, desktop):
    """Without observations no row changes. Streams continue, and requested actions are done afterwards.

    The outage is longer than the timeout of a start.
    """
    stopping = driven.run("Bare", name="to be stopped")
    with (
        more(driven.portal, "run_controller", 1, START_DEADLINE=str(AWAY - 20)),
        held(driven.portal.part("run_controller")),
        viewing(driven, desktop) as screen,
    ):
        wait_for(lambda: screen.colours() > 20)
        begun = driven.launch("Bare", name="begun before")
        with held(api_server()):
            until = time.monotonic() + AWAY
            driven.person.act(stopping, "stop")
            asked = driven.launch("Bare", name="asked for meanwhile")
            for moving in (stopping, begun, asked):
                wait_for(lambda moving=moving: "do not answer at present" in page(driven, moving), 40)
            while time.monotonic() < until:
                assert screen.colours() > 20
                time.sleep(5)
            assert driven.row(desktop) == ("running", "")
            assert driven.row(stopping) == ("stopping", "by_owner")
            assert {driven.row(begun), driven.row(asked)} <= {("starting", ""), ("pending", "")}
        subprocess.run([os.environ["PODESK_CLUSTER"], "up"], check=True, capture_output=True)
        driven.wait(stopping, "stopped")
        driven.wait(begun, "running")
        driven.wait(asked, "running")
        assert screen.colours() > 20  # the same stream is still open
    driven.wait(desktop, "running", "")  # the cluster may have lost its node for a moment
    assert len(driven.pods()) == 3
    assert not driven.portal.query("SELECT 1 FROM desktops_desktopevent WHERE kind = 'failed'")


def api_server() -> psutil.Process:
    return next(each for each in psutil.process_iter(["name"]) if each.info["name"] == "kube-apiserver")


@contextmanager
def held(process: psutil.Process) -> Iterator[None]:
    """Stop a process, so that it accepts connections and does not answer."""
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def test_namespace_missing(kube):
    """The permissions in the namespace are gone too, so the cluster does not even say that it is missing."""
    missing = Kube(f"{kube.namespace}-missing")
    with driving(missing, accounts=accounts_in(kube.namespace)) as driven:
        desktop = driven.launch()
        driven.wait(desktop, "failed")
        assert driven.row(desktop) == ("failed", "cluster_forbids")
        assert "lacks a permission in the cluster" in page(driven, desktop)


@pytest.fixture(scope="module")
def by_node_port(kube, bare) -> Iterator[Driven]:
    """Yield a portal with node ports of the default ranges, of which another Service uses two."""
    ports = [{"name": f"p{port}", "port": port, "nodePort": port} for port in FOREIGN]
    spec = {"type": "NodePort", "selector": {"app": "none"}, "ports": ports}
    kube.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "ingress-controller"}, "spec": spec})
    # A separate installation, because the other portal would delete its pods as orphans.
    itself = {"INSTALLATION_ID": f"{kube.namespace}-ports", "DESKTOP_EXPOSURE": "nodeport"}
    with driving(kube, prepare=PREPARE.format(bare=bare, registry="registry.invalid"), **itself) as made:
        yield made


FOREIGN = (30843, 31290)  # ports of an ingress controller, in the default ranges for VNC and for SSH


def leave_free(driven: Driven, *ports: int) -> None:
    """Lease all other ports of both ranges, so that the portal has to use these."""
    driven.shell(
        "from desktops.models import PortLease;"
        f"PortLease.objects.all().delete(); free = {ports};"
        "PortLease.objects.bulk_create(PortLease(port=port, use='foreign') for port in range(30000, 32001)"
        " if port not in free)"
    )


def leased(driven: Driven, *, foreign: bool = False) -> set[int]:
    found = driven.portal.query("SELECT port, use FROM desktops_portlease")
    return {port for port, use in found if (use == "foreign") == foreign}


def test_node_ports_that_something_else_has_are_skipped(by_node_port):
    driven, (vnc, ssh) = by_node_port, FOREIGN
    leave_free(driven, vnc, vnc + 1, vnc + 2, ssh, ssh + 1)
    desktop = driven.run("Bare")
    service = driven.kube.get("service", driven.name(desktop))
    given = {port["nodePort"] for port in service["spec"]["ports"]}
    assert given == leased(driven) == {vnc + 1, vnc + 2, ssh + 1}
    html = driven.person.http.get(f"/desktops/{desktop}/").text
    for port in leased(driven) - {ssh + 1}:  # shown only to users who have added a key
        assert re.search(rf"http://[^:]+:{port}/vnc.html|>[^:<]+:{port}<", html), port
    assert not re.search(rf":({vnc}|{ssh})\b", html)
    driven.clear()


def test_a_node_port_that_turned_out_to_be_taken_is_remembered(by_node_port):
    driven, (vnc, ssh) = by_node_port, FOREIGN
    leave_free(driven, vnc, vnc + 1, ssh, ssh + 1)
    desktop = driven.launch("Bare")
    driven.wait(desktop, "failed")
    assert driven.row(desktop) == ("failed", "no_port_left"), driven.evidence()
    assert "All ports for direct connections are in use" in page(driven, desktop)
    assert vnc in leased(driven, foreign=True)
    driven.clear()


def test_the_whole_table_leaves_nothing_behind(driven):
    assert driven.objects() == []
    assert json.loads(driven.kube("get", "secrets", "--selector", "podesk/installation", "-o", "json"))["items"] == []
