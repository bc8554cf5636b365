"""Starts and stops on a real cluster: interrupted after any call, repeated, and changed by others in between."""

import time
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from desktops.runtimes.base import DesktopSpec, Exposed, NodePorts, Phase, RuntimeFault
from desktops.runtimes.kubernetes import kubernetes_runtime, network_manifests
from desktops.runtimes.kubernetes.client import ApiClient, ApiRequest
from desktops.runtimes.kubernetes.kubernetes_runtime import KubernetesRuntime
from desktops.runtimes.kubernetes.operations import path
from desktops.tests.support.kubernetes_namespace import KubeHarness, SharedRuntime, a_cluster
from desktops.tests.support.runtime_specs import soon, until
from tests.cluster.conftest import IMAGE
from tests.support.cluster.node_ports import free_ports
from tests.support.cluster.service_accounts import AccountApi

pytestmark = pytest.mark.cluster

TINY = {"cpu": Decimal("0.1"), "memory_mib": 384}
CALLS = 7  # in a first start: volume claim, config map, secret, network policy, service, pod, and the pod as owner
CALLS_BY_EXPOSURE = {"proxy": CALLS, "nodeport": CALLS, "ingress": CALLS + 1}


class WorkerKilled(BaseException):
    """Ends the work as when the worker's process is killed: no code catches it."""


class KilledApi(AccountApi):
    """An API that is killed in a call. The cluster does the work, and the answer is lost."""

    left: int

    def _send(self, *arguments: Any, **options: Any) -> Any:
        answer = super()._send(*arguments, **options)
        self.left -= 1
        if self.left == 0:
            raise WorkerKilled
        return answer


def killed_runtime(harness: KubeHarness, calls: int) -> KubernetesRuntime:
    """Return a runtime with the worker's permissions that is killed after some calls."""
    api = KilledApi(harness.accounts.api("worker").kubeconfig)
    api.left = calls
    return KubernetesRuntime(harness.runtime.cluster, api)


@pytest.fixture(params=CALLS_BY_EXPOSURE)
def exposed_harness(kube, request):
    harness = KubeHarness(kube, IMAGE, exposure=request.param)
    yield harness
    harness.close()


def specs_of(harness: KubeHarness, count: int) -> list[DesktopSpec]:
    return [harness.spec(ports=some_ports(harness), **TINY) for _ in range(count)]


def some_ports(harness: KubeHarness) -> NodePorts | None:
    return NodePorts(*free_ports(harness.kube, 3)) if harness.runtime.cluster.exposure == "nodeport" else None


def nothing_is_left(harness: KubeHarness) -> bool:
    return all(each.startswith("PersistentVolumeClaim/") for each in harness.objects())


def test_a_start_that_was_cut_off_after_any_call_is_begun_again(exposed_harness):
    """All starts run in parallel, because each waits for its pod."""
    harness = exposed_harness
    specs = specs_of(harness, CALLS_BY_EXPOSURE[harness.runtime.cluster.exposure])
    for calls, spec in enumerate(specs, 1):
        with pytest.raises(WorkerKilled):
            killed_runtime(harness, calls).start(spec, deadline=soon())
        harness.runtime.start(spec, deadline=soon())
    for spec in specs:
        seen = harness.wait(spec.name, Phase.READY)
        assert (seen.run, seen.restarts) == (1, 0)
        assert bool(seen.exposed) == bool(spec.ports)
    assert {seen.name for seen in harness.runtime.list()} == {spec.name for spec in specs}
    for spec in specs:
        harness.runtime.stop(spec.name, deadline=soon())
    until(lambda: nothing_is_left(harness), what="all to be collected", seconds=120)


def test_a_start_that_was_cut_off_and_given_up_leaves_nothing(exposed_harness):
    harness = exposed_harness
    specs = specs_of(harness, CALLS_BY_EXPOSURE[harness.runtime.cluster.exposure])
    for calls, spec in enumerate(specs, 1):
        with pytest.raises(WorkerKilled):
            killed_runtime(harness, calls).start(spec, deadline=soon())
        harness.runtime.stop(spec.name, deadline=soon())
    until(lambda: nothing_is_left(harness), what="all to be collected", seconds=120)


def test_a_stop_that_was_cut_off_after_any_call_is_done_again(kube_harness):
    specs = [kube_harness.spec(**TINY) for _ in range(3)]
    for calls, spec in enumerate(specs, 1):
        kube_harness.runtime.start(spec, deadline=soon())
        with pytest.raises(WorkerKilled):
            killed_runtime(kube_harness, calls).stop(spec.name, deadline=soon())
        kube_harness.runtime.stop(spec.name, deadline=soon())
    until(lambda: nothing_is_left(kube_harness), what="all to be collected", seconds=120)


def test_a_first_start_is_few_calls(kube_harness):
    kube_harness.runtime.start(kube_harness.spec(**TINY), deadline=soon())
    assert [api.calls.total() for api in kube_harness.runtime.apis] == [CALLS, 0, 0]


def test_a_pod_deleted_from_outside_is_made_again_by_the_same_start(kube_harness):
    spec = kube_harness.run(**TINY)
    kube_harness.kube("delete", "pod", spec.name, "--grace-period=1", "--wait=false")
    kube_harness.start(spec)
    kube_harness.wait(spec.name, Phase.READY)
    assert len(kube_harness.objects()) == 6  # garbage collection deletes nothing more


def test_everything_is_collected_when_the_pod_is_deleted_from_outside(kube_harness):
    spec = kube_harness.run(**TINY)
    assert len(kube_harness.objects()) == 6
    kube_harness.kube("delete", "pod", spec.name, "--grace-period=1")
    until(lambda: nothing_is_left(kube_harness), what="all to be collected")


def test_a_pod_that_lost_its_parts_is_still_ended(kube_harness):
    spec = kube_harness.run(**TINY)
    kube_harness.kube("delete", "configmap", spec.name)
    assert kube_harness.runtime.observe(spec.name).phase is Phase.READY
    kube_harness.runtime.stop(spec.name, deadline=soon())
    until(lambda: nothing_is_left(kube_harness), what="all to be collected")


def test_a_missing_namespace_is_said(kube_harness):
    """Only an account with all permissions sees that the namespace is missing. The portal's roles are gone with it."""
    nowhere = a_cluster("test-nowhere", kube_harness.installation)
    for runtime, reason in (
        (KubernetesRuntime(nowhere), "namespace_missing"),
        (SharedRuntime(nowhere, kube_harness.accounts), "cluster_forbids"),
    ):
        with pytest.raises(RuntimeFault) as caught:
            runtime.start(kube_harness.spec(), deadline=soon())
        assert (caught.value.reason, caught.value.permanent) == (reason, True)
    assert KubernetesRuntime(nowhere).list() == []


def test_a_quota_that_is_reached_is_said_but_not_of_what_is_there(kube_harness):
    spec = kube_harness.run(**TINY)
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full"}}
    hard = {"pods": "1", "count/configmaps": "2", "persistentvolumeclaims": "1"}
    kube_harness.kube.apply(quota | {"spec": {"hard": hard}})
    try:
        until(lambda: "hard" in kube_harness.kube.get("resourcequota", "full")["status"], what="the quota")
        with pytest.raises(RuntimeFault) as caught:
            kube_harness.runtime.start(kube_harness.spec(**TINY), deadline=soon())
        assert (caught.value.reason, caught.value.permanent) == ("namespace_quota", True)
        kube_harness.runtime.start(spec, deadline=soon())
    finally:
        kube_harness.kube("delete", "resourcequota", "full")


@pytest.mark.parametrize("exposed_harness", ["nodeport"], indirect=True)
def test_a_restart_keeps_its_node_ports_though_the_service_before_still_has_them(exposed_harness):
    ports = some_ports(exposed_harness)
    spec = exposed_harness.run(ports=ports, **TINY)
    exposed_harness.run(desktop_id=spec.desktop_id, run=2, ports=ports, **TINY)
    seen = exposed_harness.runtime.observe(spec.name)
    assert (seen.run, seen.exposed.vnc, seen.exposed.novnc, seen.exposed.ssh) == (2, ports.vnc, ports.novnc, ports.ssh)


@pytest.mark.parametrize("exposed_harness", ["nodeport"], indirect=True)
def test_a_start_repeated_with_other_ports_tells_those_that_are_so(exposed_harness):
    """Another desktop may have taken one of the ports between the two starts."""
    spec, other = specs_of(exposed_harness, 2)
    with pytest.raises(WorkerKilled):
        killed_runtime(exposed_harness, 5).start(spec, deadline=soon())
    exposed_harness.start(replace(spec, ports=other.ports))
    [service] = exposed_harness.kube.list("service", f"podesk/installation={exposed_harness.installation}")
    seen = exposed_harness.wait(spec.name, Phase.READY).exposed
    assert [seen.vnc, seen.novnc, seen.ssh] == [port["nodePort"] for port in service["spec"]["ports"]]


def test_a_node_port_that_something_else_has_is_told(kube):
    exposed = KubeHarness(kube, IMAGE, exposure="nodeport", node_address="192.0.2.7")
    try:
        first = exposed.run(ports=NodePorts(30411, 30412, 31411), **TINY)
        assert exposed.runtime.observe(first.name).exposed == Exposed("192.0.2.7", 30411, 30412, 31411)
        with pytest.raises(RuntimeFault) as caught:
            exposed.runtime.start(exposed.spec(ports=NodePorts(30413, 30412, 31413), **TINY), deadline=soon())
        assert (caught.value.reason, caught.value.detail, caught.value.permanent) == ("port_taken", "30412", False)
    finally:
        exposed.close()


def test_a_claim_of_somebody_else_is_not_used(kube_harness):
    spec = kube_harness.run(**TINY)
    other = kube_harness.spec(volume=spec.volume, owner_id="2")
    with pytest.raises(RuntimeFault, match="name_taken"):
        kube_harness.runtime.start(other, deadline=soon())


def test_a_key_that_is_removed_while_it_runs_opens_it_no_longer(kube_harness):
    spec = kube_harness.run(authorized_keys="ssh-ed25519 OLD\n", **TINY)
    kube_harness.runtime.renew_keys(spec.name, "ssh-ed25519 NEW\n", deadline=soon())

    def known() -> str:
        return kube_harness.shell(spec, "cat $(sed -n 's/^AuthorizedKeysFile //p' /opt/podesk/sshd_config)")

    until(lambda: known() == "ssh-ed25519 NEW\n", what="the new key in the pod", seconds=120, every=1)


@pytest.mark.parametrize("watched", [False, True])
def test_a_home_that_gets_no_volume_says_why(kube, watched):
    harness = KubeHarness(kube, IMAGE, storage_class="no-such-class")
    try:
        if watched:
            list(harness.runtime.watch(timeout=0.1))
        spec = harness.spec(**TINY)
        harness.start(spec)

        def claim_reported() -> bool:
            seen = (harness.runtime.observe(spec.name), *harness.runtime.list())
            return all((each.reason, "no-such-class" in each.detail) == ("volume_unbound", True) for each in seen)

        until(claim_reported, what="the claim's own words", every=0.2)
    finally:
        harness.close()


def test_an_earlier_run_that_takes_its_time_is_told_and_nobody_waits_for_it(kube_harness):
    spec = kube_harness.run(**TINY)
    again = kube_harness.spec(desktop_id=spec.desktop_id, run=2, **TINY)
    kube_harness.shell(spec, "kill -STOP 1 $(pgrep -o Xvnc)")  # the pod uses all of its grace period
    began = time.monotonic()
    with pytest.raises(RuntimeFault) as caught:
        kube_harness.runtime.start(again, deadline=soon())
    assert (caught.value.reason, caught.value.permanent) == ("still_stopping", False)
    assert time.monotonic() - began < 5
    kube_harness.start(again)
    kube_harness.wait(spec.name, Phase.READY)
    assert [seen.run for seen in kube_harness.runtime.list()] == [2]


def test_a_start_that_nobody_begins_again_is_seen_after_a_while(kube_harness, monkeypatch):
    spec = kube_harness.spec(**TINY)
    with pytest.raises(WorkerKilled):
        killed_runtime(kube_harness, 3).start(spec, deadline=soon())
    assert kube_harness.runtime.list() == []
    monkeypatch.setattr(kubernetes_runtime, "ABANDONED", timedelta(0))
    assert [(seen.name, seen.phase) for seen in kube_harness.runtime.list()] == [(spec.name, Phase.CREATED)]
    kube_harness.runtime.stop(spec.name, deadline=soon())
    until(lambda: nothing_is_left(kube_harness), what="all to be collected")
    assert kube_harness.runtime.list() == []


def test_load_balancer_address_is_reported_when_assigned(kube):
    exposed = KubeHarness(kube, IMAGE, exposure="loadbalancer")
    try:
        spec = exposed.run(**TINY)
        assert exposed.runtime.observe(spec.name).exposed is None
        given = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.9"}]}}}
        status = path("Service", kube.namespace, spec.name, "status")
        ApiClient().call(ApiRequest("PATCH", status, body=given), soon())
        for seen in (exposed.runtime.observe(spec.name), *exposed.runtime.list()):
            assert seen.exposed == Exposed("192.0.2.9", 5901, 6080, 22)
    finally:
        exposed.close()


def test_a_way_by_ingress_is_made_with_the_desktop_and_goes_with_it(kube):
    """The ingress is also deleted if the start was interrupted just after it."""
    exposed = KubeHarness(kube, IMAGE, exposure="ingress")
    try:
        spec = exposed.spec(**TINY)
        wanted = network_manifests.ingress(spec, exposed.runtime.cluster)
        with pytest.raises(WorkerKilled):
            killed_runtime(exposed, 5).start(spec, deadline=soon())
        made = kube.get("ingress", spec.name)
        exposed.runtime.start(spec, deadline=soon())
        exposed.wait(spec.name, Phase.READY)
        there = kube.get("ingress", spec.name)
        assert there["metadata"]["uid"] == made["metadata"]["uid"]
        assert there["spec"] == wanted["spec"]
        assert there["metadata"]["annotations"] == wanted["metadata"]["annotations"]
        exposed.runtime.stop(spec.name, deadline=soon())
        until(lambda: nothing_is_left(exposed), what="all to be collected")
    finally:
        exposed.close()
