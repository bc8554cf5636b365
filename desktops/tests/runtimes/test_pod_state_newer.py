"""The state of pods in newer clusters, as complete objects after the sources of Kubernetes 1.21 to 1.36."""

from datetime import datetime
from typing import Any

import pytest

from desktops.runtimes.base import Phase
from desktops.runtimes.kubernetes.pod_disruption import is_lost
from desktops.runtimes.kubernetes.pod_state import STEPS, observed
from desktops.tests.support.newer_pods import condition, container, ended, event, pending, pod
from desktops.wording.reasons import REASONS


def said(body: dict[str, Any], *events: dict[str, Any]) -> tuple[Phase, str]:
    seen = observed(body, list(events))
    assert seen.reason in {"", *REASONS}
    return seen.phase, seen.reason


# --- the cluster ends a pod

NOT_READY = condition("Ready", "False", "ContainersNotReady", "containers with unready status: [desktop]")
LOST = condition("Ready", "False")  # set by the cluster, because the node does not answer


def target(reason: str, message: str) -> dict[str, Any]:
    return condition("DisruptionTarget", "True", reason, message, at="15:10:20")


TAINTED = target("DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint")
EVICTION_API = target("EvictionByEvictionAPI", "Eviction API: evicting")


@pytest.mark.parametrize(
    ("conditions", "slug"),
    [
        ([EVICTION_API], "vanished"),
        ([EVICTION_API, NOT_READY], "vanished"),
        ([TAINTED, LOST], "node_lost"),
        ([TAINTED], "vanished"),
        ([TAINTED, NOT_READY], "vanished"),
        ([target("DeletionByPodGC", "PodGC: node no longer exists"), LOST], "node_lost"),
        (
            [target("PreemptionByScheduler", "default-scheduler: preempting to accommodate a higher priority pod")],
            "preempted",
        ),
        ([target("PreemptionByKubeScheduler", "Kube-scheduler: preempting")], "preempted"),
        (
            [target("DeletionByDeviceTaintManager", "Device Taint manager: deleting due to NoExecute taint")],
            "vanished",
        ),
        ([target("DeletionByClusterAutoscaler", "")], "vanished"),
        ([target("SomethingThatIsNotInventedYet", "so")], "vanished"),
    ],
)
def test_a_pod_that_the_cluster_deletes(conditions, slug):
    body = pod(*conditions, ends=True)
    assert said(body) == (Phase.FAILED, slug)
    assert is_lost(body) is (slug == "node_lost")
    assert conditions[0]["reason"] in observed(body, []).detail


LOW = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 80Mi. "
TMP = 'Usage of EmptyDir volume "tmp" exceeds the limit "4Gi". '
SHUTDOWN = "Pod was terminated in response to imminent node shutdown."


@pytest.mark.parametrize(
    ("reason", "message", "slug"),
    [
        ("Evicted", LOW, "evicted"),
        ("Evicted", TMP, "temporary_full"),
        ("Terminated", SHUTDOWN, "node_shutdown"),
        ("Preempting", "Preempted in order to admit critical pod", "preempted"),
    ],
)
@pytest.mark.parametrize("has_own_reason", [True, False])
def test_a_pod_that_the_kubelet_ends(reason, message, slug, has_own_reason):
    """The reason of the pod decides. If an agent has removed it, the message of the condition does."""
    if slug == "preempted":
        why = target("TerminationByKubelet", "Pod was preempted by Kubelet to accommodate a critical pod.")
    else:
        why = target("TerminationByKubelet", message)
    own = {"reason": reason, "message": message} if has_own_reason else {}
    was = [container(terminated=ended(137, "Error"))]
    body = pod(why, NOT_READY, phase="Failed", containerStatuses=was, **own)
    assert said(body) == (Phase.FAILED, slug)
    assert not is_lost(body)


def test_what_the_kubelet_is_about_to_end_still_runs():
    assert said(pod(target("TerminationByKubelet", LOW), reason="Evicted", message=LOW)) == (Phase.READY, "")


def test_an_intention_that_was_given_up_is_no_end():
    """The cluster takes it back after two minutes. A user may still end the pod later."""
    taken_back = condition("DisruptionTarget", "False", "", "", at="15:12:20")
    assert said(pod(taken_back)) == (Phase.READY, "")
    assert said(pod(taken_back, ends=True)) == (Phase.STOPPING, "")


@pytest.mark.parametrize(("phase", "code"), [("Succeeded", 0), ("Failed", 143)])
def test_a_pod_that_is_deleted_comes_to_its_last_phase_before_it_goes(phase, code):
    """From 1.27 on the phase changes first. The pod is still ending: it is neither a log-out nor a crash."""
    was = [container(terminated=ended(code, "Completed" if code == 0 else "Error"))]
    assert said(pod(NOT_READY, ends=True, phase=phase, containerStatuses=was)) == (Phase.STOPPING, "")


# --- a node refuses a pod that was scheduled to it


@pytest.mark.parametrize(
    ("reason", "slug"),
    [
        ("OutOfcpu", "unschedulable"),
        ("OutOfnvidia.com/gpu", "unschedulable"),
        ("NodeShutdown", "node_shutdown"),
        ("NodeAffinity", "start_failed"),
        ("TaintToleration", "start_failed"),
        ("UnexpectedAdmissionError", "start_failed"),
        ("TopologyAffinityError", "start_failed"),
        ("PodOSNotSupported", "start_failed"),
        ("PodFeatureUnsupported", "start_failed"),
        ("SysctlForbidden", "start_failed"),
    ],
)
def test_a_pod_that_its_node_refuses(reason, slug):
    """The pod has no containers. It is not reported as a desktop that ended unexpectedly."""
    body = pending(condition("PodScheduled"), phase="Failed", reason=reason, message=f"Pod was rejected: {reason}")
    assert said(body) == (Phase.FAILED, slug)
    assert "Pod was rejected" in observed(body, []).detail


# --- no node fits

HELPLESS = " preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
NO_VICTIMS = " no new claims to deallocate, preemption: 0/3 nodes are available: 1 Insufficient cpu, 2 No preemption"


@pytest.mark.parametrize(
    ("message", "slug"),
    [
        ("1 node(s) had untolerated taint(s), 2 Insufficient cpu." + HELPLESS, "unschedulable"),
        ("1 node(s) had untolerated taint {gpu: }, 2 Insufficient memory." + NO_VICTIMS, "unschedulable"),
        ("3 node(s) had untolerated taint {gpu: }." + HELPLESS, "no_matching_node"),
        ("3 node(s) had untolerated taint(s)." + NO_VICTIMS, "no_matching_node"),
        ("3 node(s) didn't match Pod's node affinity/selector." + NO_VICTIMS, "no_matching_node"),
        ("3 node(s) had untolerated taint {node.kubernetes.io/not-ready: }." + HELPLESS, "unschedulable"),
        ("1 node(s) had taint {node.kubernetes.io/disk-pressure: }, that the pod didn't tolerate.", "unschedulable"),
        ("1 node(s) had untolerated taint {node.cloudprovider.kubernetes.io/uninitialized: true}.", "unschedulable"),
        ("1 node(s) didn't match Pod's node affinity/selector, 2 node(s) were unschedulable.", "unschedulable"),
        ("pod has unbound immediate PersistentVolumeClaims." + HELPLESS, "volume_unbound"),
        ("3 node(s) did not have enough free storage." + HELPLESS, "volume_unbound"),
        ('persistentvolumeclaim "home-x" not found.' + HELPLESS, "volume_lost"),
        ('persistentvolumeclaim "home-x" bound to non-existent persistentvolume "pv-1".' + HELPLESS, "volume_unbound"),
    ],
)
def test_a_pod_that_no_node_takes(message, slug):
    why = condition("PodScheduled", "False", "Unschedulable", "0/3 nodes are available: " + message)
    assert said(pending(why)) == (Phase.CREATED, slug)


def test_a_volume_that_is_not_made_in_time():
    message = 'running PreBind plugin "VolumeBinding": binding volumes: context deadline exceeded'
    why = condition("PodScheduled", "False", "SchedulerError", message)
    assert said(pending(why)) == (Phase.CREATED, "volume_unbound")


def test_a_pod_that_another_part_of_the_cluster_holds_back():
    message = "Scheduling is blocked due to non-empty scheduling gates"
    why = condition("PodScheduled", "False", "SchedulingGated", message)
    assert said(pending(why)) == (Phase.CREATED, "scheduling_gated")


# --- the container is being created


def waits(reason: str, message: str = "") -> dict[str, Any]:
    return pod(
        NOT_READY, phase="Pending", containerStatuses=[container(waiting={"reason": reason, "message": message})]
    )


BACK_OFF = 'Back-off pulling image "r/a:1": ErrImagePull: '
CONTAINERD = 'failed to pull and unpack image "r/a:1": failed to resolve reference "r/a:1": '
CRIO = "unable to pull image or OCI artifact: pull image err: initializing source docker://r/a:1: "


@pytest.mark.parametrize(
    ("reason", "message", "phase", "slug"),
    [
        ("ImagePullBackOff", BACK_OFF + CONTAINERD + "r/a:1: not found", Phase.FAILED, "image_not_found"),
        ("ImagePullBackOff", BACK_OFF + CONTAINERD + "403 Forbidden", Phase.FAILED, "image_denied"),
        ("ErrImagePull", CRIO + "reading manifest 1 in r/a: manifest unknown", Phase.FAILED, "image_not_found"),
        ("ErrImagePull", CRIO + "pinging container registry r: dial tcp: i/o", Phase.CREATED, "image_pull_failed"),
        ("RegistryUnavailable", "image pull failed for r/a:1", Phase.CREATED, "image_pull_failed"),
        ("SignatureValidationFailed", "Source image rejected", Phase.CREATED, "container_refused"),
        ("ContainerCreating", "", Phase.CREATED, ""),
        ("PodInitializing", "", Phase.CREATED, ""),
    ],
)
def test_a_container_that_waits(reason, message, phase, slug):
    """In newer clusters the pod itself says why a pull failed, without an event."""
    assert said(waits(reason, message)) == (phase, slug)


@pytest.mark.parametrize("name", ["PodReadyToStartContainers", "PodHasNetwork"])
def test_a_sandbox_that_is_ready_has_its_volumes(name):
    body = waits("ContainerCreating")
    body["status"]["conditions"][0]["type"] = name
    assert tuple(observed(body, []).steps) == ("scheduled", "mounted")
    assert observed(body, []).steps["mounted"] == datetime.fromisoformat("2026-11-28T15:00:02Z")
    body["status"]["conditions"][0]["status"] = "False"
    assert tuple(observed(body, []).steps) == ("scheduled",)


def test_a_sandbox_that_was_made_anew_came_no_later_than_what_runs_in_it():
    body = pod(condition("PodReadyToStartContainers", at="15:30:00"))
    steps = observed(body, []).steps
    assert tuple(steps) == STEPS
    assert steps["mounted"] == steps["started"]


def test_all_programs_of_a_container_that_ran_out_of_memory_end_together():
    """Applies from 1.28 on, with cgroups v2."""
    again = container(last=ended(137, "OOMKilled"), restarts=1, running={"startedAt": "2026-11-28T15:05:01Z"})
    assert said(pod(containerStatuses=[again])) == (Phase.READY, "out_of_memory")


# --- events


def test_the_last_of_a_series_is_the_newest():
    """A repeated event keeps its first time. Its series has the last time."""
    series = {"count": 4, "lastObservedTime": "2026-11-28T15:09:00.000000Z"}
    again = event("NotTriggerScaleUp", "none fits", "15:00:02.100000", series=series)
    between = event("TriggeredScaleUp", "one comes", "15:05:00.000000")
    why = condition("PodScheduled", "False", "Unschedulable", "0/3 nodes are available: 3 Insufficient cpu.")
    assert said(pending(why), between, again) == (Phase.CREATED, "no_machine_coming")
    assert said(pending(why), between, event("NotTriggerScaleUp", "none fits", "15:00:02.100000")) == (
        Phase.CREATED,
        "machine_coming",
    )


def test_parts_of_a_second_are_later_than_the_second():
    why = condition("PodScheduled", "False", "Unschedulable", "0/3 nodes are available: 3 Insufficient cpu.")
    whole = event("NotTriggerScaleUp", "none fits", "", eventTime=None, lastTimestamp="2026-11-28T15:00:02Z")
    assert said(pending(why), event("TriggeredScaleUp", "one comes", "15:00:02.100000"), whole) == (
        Phase.CREATED,
        "machine_coming",
    )


def test_a_step_began_when_its_series_did():
    series = {"count": 3, "lastObservedTime": "2026-11-28T15:09:00.000000Z"}
    body = waits("ContainerCreating")
    body["status"]["conditions"] = [condition("PodScheduled", at="15:00:01")]
    assert observed(body, [event("Pulling", "Pulling image", "15:00:02.500000", series=series)]).steps[
        "mounted"
    ] == datetime.fromisoformat("2026-11-28T15:00:02.500000Z")
