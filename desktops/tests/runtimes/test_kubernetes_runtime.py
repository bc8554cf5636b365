"""The runtime's methods when the cluster answers in rare ways: dead nodes, missing permissions, no answer."""

from datetime import UTC, datetime, timedelta

import pytest

from desktops.runtimes.base import MachineCapacity, Phase, ResourceQuotaUse, RuntimeFault, RuntimeUnknown, Usage
from desktops.runtimes.kubernetes import mending
from desktops.runtimes.kubernetes.kubernetes_runtime import KubernetesRuntime
from desktops.tests.runtimes.test_pod_state import record
from desktops.tests.support.faulty_api_server import refuses, resets, says, serving
from desktops.tests.support.kubernetes_namespace import a_cluster
from desktops.tests.support.runtime_specs import a_spec, soon

ANCHOR = {
    "kind": "ConfigMap",
    "metadata": {
        "name": "vnc-x",
        "uid": "u-2",
        "labels": {"podesk/installation": "test"},
        "ownerReferences": [{"uid": "u-1"}],
    },
}


@pytest.fixture
def server(monkeypatch, tmp_path):
    with serving(refuses(404)) as made:
        monkeypatch.setenv("KUBECONFIG", str(made.kubeconfig(tmp_path)))
        yield made


@pytest.fixture
def runtime():
    return KubernetesRuntime(a_cluster("here"))


LOST = {"conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager"}]}


def ending(ago: timedelta, status: dict | None = None, **labels: str) -> dict:
    """Return a pod whose grace period ended some time ago."""
    meta = {"name": "vnc-x", "uid": "u-1", "labels": {"podesk/installation": "test"} | labels}
    meta["deletionTimestamp"] = (datetime.now(UTC) - ago).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"kind": "Pod", "metadata": meta, "spec": {"nodeName": "node-7"}, "status": status or {}}


@pytest.mark.parametrize(("minutes", "status"), [(6, {}), (1, LOST), (1, {"reason": "NodeLost"})])
def test_a_pod_on_a_dead_node_is_forced(server, runtime, minutes, status):
    server.script[:] = [says(200, ending(timedelta(minutes=minutes), status)), says(200, ANCHOR), says(200, {})]
    runtime.stop("vnc-x", deadline=soon())
    method, path, options, _ = server.seen[-1]
    assert (method, path) == ("DELETE", "/api/v1/namespaces/here/pods/vnc-x")
    assert (options["gracePeriodSeconds"], options["preconditions"]) == (0, {"uid": "u-1"})


def test_a_pod_that_is_ending_is_left_to_it(server, runtime):
    server.script[:] = [says(200, ending(timedelta(minutes=4))), says(200, ANCHOR), refuses(500)]
    runtime.stop("vnc-x", deadline=soon())
    assert {method for method, *_ in server.seen} == {"GET"}


def test_a_start_forces_the_run_before_it_when_that_is_on_a_dead_node(server, runtime):
    spec = a_spec(name="vnc-x", run=2)
    labels = {"podesk/desktop": spec.desktop_id, "podesk/run": "1"}
    there = refuses(409, "AlreadyExists")
    before = ANCHOR | {"metadata": ANCHOR["metadata"] | {"labels": ANCHOR["metadata"]["labels"] | labels}}
    pod = ending(timedelta(minutes=6), **labels)
    server.script[:] = [
        says(201, {"kind": "made"}),
        there,
        says(200, before),
        says(200, pod),
        says(200, {}),
        refuses(403),
    ]
    with pytest.raises(RuntimeFault, match="admission_denied"):  # the scripted answers end here
        runtime.start(spec, deadline=soon())
    [options] = [body for method, _, body, _ in server.seen if method == "DELETE"]
    assert (options["gracePeriodSeconds"], options["preconditions"]) == (0, {"uid": "u-1"})


@pytest.mark.parametrize("bad", [refuses(403, "Forbidden", "no"), refuses(401, "Unauthorized"), resets])
def test_state_is_unknown_without_permission_or_answer(server, runtime, monkeypatch, bad):
    for limit in ("LOOK_SECONDS", "PAGE_SECONDS"):
        monkeypatch.setattr(f"desktops.runtimes.kubernetes.kubernetes_runtime.{limit}", 0.3)
    server.script[:] = [bad]
    reads = (
        runtime.list,
        lambda: runtime.observe("vnc-x"),
        lambda: runtime.logs("vnc-x"),
        lambda: runtime.usage("vnc-x"),
        runtime.usage_of_all,
    )
    for read in reads:
        with pytest.raises(RuntimeUnknown):
            read()


def measured(name: str, cpu: str) -> dict:
    usage = {"cpu": cpu, "memory": "64Mi"}
    return {"metadata": {"name": name}, "containers": [{"name": "desktop", "usage": usage}]}


def test_usage_of_all_needs_one_call(server, runtime):
    bodies = [measured("vnc-x", "250m"), measured("vnc-odd", "a lot"), {"metadata": {}}]
    server.script[:] = [says(200, {"metadata": {}, "items": bodies})]
    assert runtime.usage_of_all() == {"vnc-x": Usage(0.25, 64.0, None, None)}
    [path] = server.paths
    assert path.startswith("/apis/metrics.k8s.io/v1beta1/namespaces/here/pods?")
    assert "labelSelector=podesk%2Finstallation%3Dtest" in path


def test_cluster_without_metrics_has_no_usage(server, runtime):
    server.script[:] = [refuses(404, "NotFound", "the server could not find the requested resource")]
    assert runtime.usage_of_all() == {}
    assert len(server.seen) == 1


def test_without_the_right_to_read_services_desktops_are_seen_without_their_address(server):
    """All desktops would be unknown if an overlay sets the exposure without the matching component."""
    runtime = KubernetesRuntime(a_cluster("here", exposure="loadbalancer"))
    found, none = (says(200, {"metadata": {}, "items": pods}) for pods in ([ready("vnc-x")], []))
    server.script[:] = [none, refuses(403, "Forbidden", 'User "x" cannot list resource "services"'), none, found]
    [seen] = runtime.list()
    assert (seen.phase, seen.exposed, seen.missing) == (Phase.READY, None, ("ConfigMap", "NetworkPolicy"))
    server.script[:] = [says(200, ready("vnc-x")), refuses(403, "Forbidden", 'User "x" cannot list "services"')]
    assert runtime.observe("vnc-x").phase is Phase.READY


def test_missing_permission_to_delete_is_reported(server, runtime):
    server.script[:] = [refuses(403, "Forbidden", 'pods "vnc-x" is forbidden: User "x" cannot delete resource "pods"')]
    for end in (runtime.stop, runtime.delete_volume):
        with pytest.raises(RuntimeFault, match="cluster_forbids"):
            end("vnc-x", deadline=soon())


def ready(name: str, **changes: dict | None) -> dict:
    pod, _ = record("ready")
    labels = {"podesk/installation": "test", "podesk/desktop": "d", "podesk/run": "1"}
    meta = {"name": name, "uid": name, "labels": labels, "annotations": {"podesk/endpoint": "10.96.1.2:5901"}} | changes
    return pod | {"metadata": {key: value for key, value in meta.items() if value is not None}}


ODD = {
    "no annotations": {"annotations": None},
    "a run that is no number": {"labels": {"podesk/run": "x", "podesk/desktop": "d"}},
    "ports that are none": {"annotations": {"podesk/node-ports": "http,https"}},
    "an endpoint that is none": {"annotations": {"podesk/endpoint": "somewhere:else"}},
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_one_odd_pod_hides_no_other_and_is_there_itself(server, runtime, odd):
    def items(*bodies: dict):
        return says(200, {"metadata": {}, "items": list(bodies)})

    server.script[:] = [items(), items(), items(), items(ready("vnc-odd", **odd), ready("vnc-x"))]
    seen = {each.name: each for each in runtime.list()}
    assert seen["vnc-x"].phase is Phase.READY
    assert seen["vnc-odd"].phase in (Phase.READY, Phase.STARTED)  # never "missing", which would fail the row
    assert seen["vnc-odd"].run == (0 if odd.get("labels") else 1)


@pytest.mark.parametrize(("exposure", "ingresses"), [("proxy", []), ("ingress", ["ingresses"])])
def test_comparison_lists_each_kind_once_for_any_number_of_desktops(server, exposure, ingresses):
    def items(*bodies: dict):
        return says(200, {"metadata": {}, "items": list(bodies)})

    def part(name: str, run: str = "1") -> dict:
        labels = {"podesk/run": run}
        return {"metadata": {"name": name, "labels": labels, "creationTimestamp": datetime.now(UTC).isoformat()}}

    every, without, older = "vnc-a", "vnc-b", "vnc-c"
    anchors = items(*map(part, (every, without, older)))
    services, policies = items(part(every), part(older, "0")), items(*map(part, (every, without, older)))
    more = [items(*map(part, (every, without, older)))] if ingresses else []
    server.script[:] = [anchors, services, policies, *more, items(*map(ready, (every, without, older)))]
    seen = {each.name: each.missing for each in KubernetesRuntime(a_cluster("here", exposure=exposure)).list()}
    assert seen == {every: (), without: ("Service",), older: ("Service",)}
    asked = [path.split("?")[0].rpartition("/")[2] for path in server.paths]
    assert asked == ["configmaps", "services", "networkpolicies", *ingresses, "pods"]


def test_the_kubelet_says_that_the_secret_of_a_pod_that_runs_is_missing():
    now, before = (datetime.now(UTC) - timedelta(minutes=minutes) for minutes in (1, 9))
    pod = ready("vnc-x")
    about = {"kind": "Pod", "uid": pod["metadata"]["uid"]}
    said = 'MountVolume.SetUp failed for volume "secret" : secret "vnc-x" not found'
    event = {"involvedObject": about, "reason": "FailedMount", "message": said, "lastTimestamp": now.isoformat()}
    assert mending.secret_is_missing(pod, [event])
    for change in (
        {"lastTimestamp": before.isoformat()},
        {"message": said.replace("vnc-x", "vnc-y")},
        {"reason": "FailedScheduling"},
        {"involvedObject": {"kind": "Pod", "uid": "another"}},
    ):
        assert not mending.secret_is_missing(pod, [event | change])


def test_new_ssh_keys_go_into_the_secret_of_a_desktop_of_ours(server, runtime):
    secret = {"kind": "Secret", "metadata": {"name": "vnc-x", "labels": {"podesk/installation": "test"}}}
    server.script[:] = [says(200, secret), says(200, secret)]
    runtime.renew_keys("vnc-x", "ssh-ed25519 AAAA\n", deadline=soon())
    method, path, body, _ = server.seen[-1]
    assert (method, path) == ("PATCH", "/api/v1/namespaces/here/secrets/vnc-x")
    assert body == {"stringData": {"authorized_keys": "ssh-ed25519 AAAA\n"}}


@pytest.mark.parametrize("found", [refuses(404, "NotFound"), says(200, {"metadata": {"name": "vnc-x"}})])
def test_no_secret_of_ours_takes_no_keys(server, runtime, found):
    server.script[:] = [found]
    runtime.renew_keys("vnc-x", "", deadline=soon())
    assert {method for method, *_ in server.seen} == {"GET"}


def test_warming_up_never_fails(server, runtime, monkeypatch):
    monkeypatch.setattr("desktops.runtimes.kubernetes.kubernetes_runtime.LOOK_SECONDS", 0.3)
    for answer in (refuses(404), refuses(403), resets):
        server.script[:] = [answer]
        runtime.warm_up()
    assert runtime.api.calls.total() > 2


def test_every_limit_is_enforced(runtime):
    assert runtime.unlimited() is None


def test_quota_of_the_namespace_is_that_of_the_fullest(server, runtime):
    wide = {"hard": {"pods": "500", "requests.memory": "1Ti"}, "used": {"pods": "40", "requests.memory": "512Gi"}}
    narrow = {"hard": {"pods": "50", "odd": "1x"}, "used": {"pods": "40"}}
    items = [{"status": wide}, {"status": narrow}, {}]
    server.script[:] = [says(200, {"metadata": {}, "items": items})]
    assert set(runtime.quota_use()) == {
        ResourceQuotaUse("pods", 40, 50),
        ResourceQuotaUse("requests.memory", 2**39, 2**40),
    }


def test_quota_that_may_not_be_read_is_unknown(server, runtime):
    server.script[:] = [refuses(403, "Forbidden")]
    with pytest.raises(RuntimeUnknown):
        runtime.quota_use()


def node(cpu: str, memory: str, *, ready: bool = True, taint: str = "", **more: str) -> dict:
    taints = [{"key": taint, "effect": "NoSchedule"}] if taint else []
    status = {"allocatable": {"cpu": cpu, "memory": memory} | more}
    return {
        "spec": {"taints": taints},
        "status": status | {"conditions": [{"type": "Ready", "status": str(ready)}]},
    }


def test_capacity_of_nodes_that_accept_pods(server, runtime):
    items = [
        node("3920m", "8Gi"),
        node("8", "16Gi", taint="nvidia.com/gpu", **{"nvidia.com/gpu": "2"}),
        node("8", "16Gi", ready=False),
        node("8", "16Gi", taint="node-role.kubernetes.io/control-plane"),
        node("8", "16Gi", taint="node.kubernetes.io/disk-pressure"),
        node("8", "16Gi") | {"spec": {"unschedulable": True}},
    ]
    server.script[:] = [says(200, {"metadata": {}, "items": items})]
    assert runtime.capacity() == MachineCapacity(2, 11.92, 24 * 1024, gpu=2)


def test_capacity_of_nodes_that_may_not_be_listed_is_unknown(server, runtime):
    server.script[:] = [refuses(403, "Forbidden")]
    assert runtime.capacity() is None
