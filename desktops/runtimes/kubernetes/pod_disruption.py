"""Find out why the cluster ended a pod or refused to run it, from the texts of Kubernetes 1.20 to 1.36. Pure."""

from desktops.runtimes.base import Phase
from desktops.runtimes.kubernetes.pod_verdict import Body, Verdict, condition, matches

# Reasons of the condition DisruptionTarget, from 1.25 on. All others end a pod "from outside", like a manual deletion:
# EvictionByEvictionAPI (`kubectl drain`), DeletionByDeviceTaintManager, and those of third-party schedulers and
# autoscalers.
_DISRUPTED = {
    "DeletionByPodGC": "node_lost",
    "PreemptionByScheduler": "preempted",
    "PreemptionByKubeScheduler": "preempted",  # its name in 1.25 and 1.26
}
_ENDED_FROM_OUTSIDE = "vanished"
# Reasons of a failed pod.
_FAILED = {
    "Evicted": "evicted",
    "Preempting": "preempted",  # the kubelet made room for a pod that the node needs
    "NodeLost": "node_lost",
    "NodeShutdown": "node_shutdown",  # refused: the node was shutting down
    "Shutdown": "node_shutdown",  # 1.20
    "Terminated": "node_shutdown",
    "DeadlineExceeded": "start_failed",
}
_NO_ROOM_AFTER_ALL = "OutOf"  # OutOfcpu, OutOfmemory, …: the node had given the room to another pod
# Messages of TerminationByKubelet for pods without a reason. In all other cases, the node ran out of a resource.
_BY_KUBELET = (("node shutdown", "node_shutdown"), ("critical pod", "preempted"), ("", "evicted"))
# The kubelet evicts pods for full temporary files and for full nodes alike; only the message differs.
_TEMPORARY_FULL = "usage of emptydir volume|ephemeral local storage|local ephemeral storage limit"


def disrupted(pod: Body) -> Verdict | None:
    """Return the verdict on a pod that the cluster is ending, or None if only its container or a person ends it."""
    if pod["status"].get("reason") == "NodeLost":  # written by clusters before 1.26 for a pod that they cannot end
        return Verdict(Phase.FAILED, "node_lost", pod["status"].get("message", ""))
    why, ends = condition(pod["status"], "DisruptionTarget"), "deletionTimestamp" in pod["metadata"]
    # Before the end, the condition is only an intention. It stays for minutes on a pod that goes on running after all.
    if why.get("status") != "True" or not (ends or pod["status"].get("phase") == "Failed"):
        return None
    detail = f"{why.get('reason')}: {why.get('message', '')}"
    return Verdict(Phase.FAILED, _slug(pod, why, detail), detail)


def is_lost(pod: Body) -> bool:
    """Say whether the cluster has given up the pod together with its node."""
    why = disrupted(pod)
    return why is not None and why.reason == "node_lost"


def refused(status: Body, ran: bool, detail: str) -> Verdict | None:
    """Return the verdict on a failed pod from its own reason, or None if its container has the reason."""
    reason = status.get("reason", "")
    if slug := _FAILED.get(reason):
        return Verdict(Phase.FAILED, _or_temporary_full(slug, detail), detail)
    if reason.startswith(_NO_ROOM_AFTER_ALL):
        return Verdict(Phase.FAILED, "unschedulable", detail)
    if (
        reason and not ran
    ):  # NodeAffinity, UnexpectedAdmissionError, PodFeatureUnsupported, …: the node did not admit it
        return Verdict(Phase.FAILED, "start_failed", detail)
    return None


def _slug(pod: Body, why: Body, detail: str) -> str:
    reason = why.get("reason", "")
    if reason == "TerminationByKubelet":
        own = _FAILED.get(pod["status"].get("reason", ""))
        return _or_temporary_full(own or next(slug for words, slug in _BY_KUBELET if matches(detail, words)), detail)
    if reason == "DeletionByTaintManager":
        return "node_lost" if _node_is_silent(pod) else _ENDED_FROM_OUTSIDE
    return _DISRUPTED.get(reason, _ENDED_FROM_OUTSIDE)


def _node_is_silent(pod: Body) -> bool:
    """Say whether the cluster tainted the node because it is lost, rather than a person who drains it.

    The cluster sets pods of a lost node to not ready without a reason. A kubelet always gives a reason.
    """
    ready = condition(pod["status"], "Ready")
    return ready.get("status") != "True" and not ready.get("reason")


def _or_temporary_full(slug: str, detail: str) -> str:
    return "temporary_full" if slug == "evicted" and matches(detail, _TEMPORARY_FULL) else slug
