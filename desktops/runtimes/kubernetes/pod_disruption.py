"""Why the cluster itself ended a pod or refused to run it, as Kubernetes 1.20 to 1.36 write it. Pure."""

from desktops.runtimes.base import Phase
from desktops.runtimes.kubernetes.pod_verdict import Body, Verdict, condition, says

# Reasons of the condition DisruptionTarget, which clusters write from 1.25 on. All others end a pod "from outside", as
# deleting it by hand does: EvictionByEvictionAPI (`kubectl drain`), DeletionByDeviceTaintManager, and those of
# schedulers and autoscalers that are not part of Kubernetes.
_DISRUPTED = {
    "DeletionByPodGC": "node_lost",
    "PreemptionByScheduler": "preempted",
    "PreemptionByKubeScheduler": "preempted",  # its name in 1.25 and 1.26
}
_ENDED_FROM_OUTSIDE = "vanished"
# Reasons of a failed pod.
_FAILED = {
    "Evicted": "evicted",
    "Preempting": "preempted",  # the kubelet made room for a pod without which the node does not work
    "NodeLost": "node_lost",
    "NodeShutdown": "node_shutdown",  # refused: the node was about to shut down
    "Shutdown": "node_shutdown",  # 1.20
    "Terminated": "node_shutdown",
    "DeadlineExceeded": "start_failed",
}
_NO_ROOM_AFTER_ALL = "OutOf"  # OutOfcpu, OutOfmemory, …: the node had given the room to another pod
# Messages of TerminationByKubelet, where the pod has no reason of its own. The rest: its node ran out of something.
_BY_KUBELET = (("node shutdown", "node_shutdown"), ("critical pod", "preempted"), ("", "evicted"))
# The kubelet ends what fills its temporary files, as it does when the node itself runs out; only the text says which.
_TEMPORARY_FULL = "usage of emptydir volume|ephemeral local storage|local ephemeral storage limit"


def disrupted(pod: Body) -> Verdict | None:
    """Judge a pod that the cluster is ending; None when nothing but its container or a person ends it."""
    if pod["status"].get("reason") == "NodeLost":  # as clusters before 1.26 write of a pod that they cannot end
        return Verdict(Phase.FAILED, "node_lost", pod["status"].get("message", ""))
    why, ends = condition(pod["status"], "DisruptionTarget"), "deletionTimestamp" in pod["metadata"]
    # Before the end it is an intention: it stays for minutes on a pod that goes on running when nothing came of it.
    if why.get("status") != "True" or not (ends or pod["status"].get("phase") == "Failed"):
        return None
    detail = f"{why.get('reason')}: {why.get('message', '')}"
    return Verdict(Phase.FAILED, _slug(pod, why, detail), detail)


def is_lost(pod: Body) -> bool:
    """The cluster has given it up together with its node."""
    why = disrupted(pod)
    return why is not None and why.reason == "node_lost"


def refused(status: Body, ran: bool, detail: str) -> Verdict | None:
    """Judge a failed pod by its own reason; None when it has none, so that its container says why."""
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
        return _or_temporary_full(own or next(slug for words, slug in _BY_KUBELET if says(detail, words)), detail)
    if reason == "DeletionByTaintManager":
        return "node_lost" if _node_is_silent(pod) else _ENDED_FROM_OUTSIDE
    return _DISRUPTED.get(reason, _ENDED_FROM_OUTSIDE)


def _node_is_silent(pod: Body) -> bool:
    """A taint was put on its node by the cluster because the node is lost, not by a person who wants it empty.

    The cluster itself marks pods of a lost node as not ready, and gives no reason; a kubelet always gives one.
    """
    ready = condition(pod["status"], "Ready")
    return ready.get("status") != "True" and not ready.get("reason")


def _or_temporary_full(slug: str, detail: str) -> str:
    return "temporary_full" if slug == "evicted" and says(detail, _TEMPORARY_FULL) else slug
