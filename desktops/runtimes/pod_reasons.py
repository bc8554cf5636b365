"""Why a pod is not ready: what Kubernetes and its container runtimes write, in our slugs. Pure."""

import re
from typing import Any, NamedTuple

from desktops.runtimes.base import Phase

Body = dict[str, Any]


class Verdict(NamedTuple):
    phase: Phase
    reason: str = ""
    detail: str = ""


# Conditions of type DisruptionTarget: the cluster itself ends the pod.
_DISRUPTED = {"DeletionByTaintManager": "node_lost", "DeletionByPodGC": "node_lost"}
_DISRUPTED_ELSE = "evicted"

# Reasons of a failed pod.
_FAILED = {
    "Evicted": "evicted",
    "Preempting": "evicted",
    "NodeLost": "node_lost",
    "NodeShutdown": "node_lost",
    "Shutdown": "node_lost",
    "Terminated": "node_lost",
    "UnexpectedAdmissionError": "start_failed",
    "NodeAffinity": "start_failed",
    "DeadlineExceeded": "start_failed",
}
# The kubelet ends what fills its temporary files, as it does when the node itself runs out; only the text tells which.
_TEMPORARY_FULL = "usage of emptydir volume|ephemeral local storage|local ephemeral storage limit"
_NO_ROOM_AFTER_ALL = "OutOf"  # OutOfcpu, OutOfmemory, …: the node had given the room to another pod

# Reasons of a container that waits. Those of images are told apart by their message.
_IMAGE = ("ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "ImageInspectError")
_WAITING = {
    "InvalidImageName": Verdict(Phase.FAILED, "image_not_found"),
    "ErrImageNeverPull": Verdict(Phase.FAILED, "image_not_found"),
    "CrashLoopBackOff": Verdict(Phase.FAILED, "crash_loop"),
    "CreateContainerConfigError": Verdict(Phase.CREATED, "container_refused"),
    "CreateContainerError": Verdict(Phase.CREATED, "container_refused"),
    "RunContainerError": Verdict(Phase.CREATED, "container_refused"),
}

# Events of a pod whose container is being made; the newest says what it waits for.
_MAKING = {
    "Pulling": "image_pulling",
    "Pulled": "",
    "FailedMount": "volume_attaching",
    "FailedAttachVolume": "volume_attaching",
    "FailedCreatePodSandBox": "container_refused",
}
# Events of a pod without a place, by a cluster that makes machines as needed.
_MACHINES = {"TriggeredScaleUp": "machine_coming", "NotTriggerScaleUp": "no_machine_coming"}
# Events of the claim of its home folder, when that gets no volume: where volumes are made only once a pod has a
# place, the pod itself says nothing of it.
_CLAIM_FAILS = ("ProvisioningFailed", "FailedBinding")
TELLING = frozenset({*_MAKING, *_MACHINES, *_CLAIM_FAILS, "Failed"})  # events that tell more than the pod does by then

# As containerd and docker write them. The first list that fits wins: who cannot ask is neither denied nor not found.
_CANNOT_ASK = (
    "dial tcp|no such host|connection re|timeout|tls:|x509:|http response to https|eof|request canceled|"
    "deadline exceeded|toomanyrequests|too many requests|unexpected status code 5|unexpected status: 5|no space left"
)
_DENIED = "denied|unauthorized|authorization failed|failed to authorize|forbidden|no basic auth|authentication required"
_NOT_FOUND = "not ?found|manifest unknown|name unknown|does not exist|no match for platform"
_PULLS = (("image_pull_failed", _CANNOT_ASK), ("image_denied", _DENIED), ("image_not_found", _NOT_FOUND))

# Of a pod that no node takes.
_PART_MISSING = r'(secret|configmap) "[^"]*" not found'
_CLAIM_MISSING = r'persistentvolumeclaim "[^"]*" not found'
_CLAIM_UNBOUND = (
    "unbound immediate persistentvolumeclaims|bound to non-existent|is being deleted|waiting for first consumer|"
    "no available persistent volumes|didn't find available"
)
_MAY_FIT_LATER = "insufficient|too many pods|free ports|volume"
_NEVER_FITS = "didn't match|had taint|had untolerated taint|no nodes available|0/0 nodes"


def verdict(pod: Body, container: Body, events: list[Body], of_claim: list[Body]) -> Verdict:
    """`container`: its status, empty when there is none yet. `events`: of this pod, and of its claim; oldest first."""
    return (
        _disrupted(pod)
        or _ending(pod)
        or _ended(pod["status"], container)
        or _running(pod["status"], container)
        or _held_up(container, events)
        or _unplaced(pod["status"], events, of_claim)
        or Verdict(Phase.CREATED)
    )


def condition(pod_status: Body, kind: str) -> Body:
    return next((found for found in pod_status.get("conditions", ()) if found["type"] == kind), {})


def is_ready(pod: Body) -> bool:
    return condition(pod["status"], "Ready").get("status") == "True" and "deletionTimestamp" not in pod["metadata"]


def is_lost(pod: Body) -> bool:
    """The cluster has given it up together with its machine."""
    why = _disrupted(pod)
    return why is not None and why.reason == "node_lost"


def _disrupted(pod: Body) -> Verdict | None:
    if pod["status"].get("reason") == "NodeLost":  # as clusters before 1.26 tell of a pod that they cannot end
        return Verdict(Phase.FAILED, "node_lost", pod["status"].get("message", ""))
    why, ends = condition(pod["status"], "DisruptionTarget"), "deletionTimestamp" in pod["metadata"]
    # Before the end it is an intention: it stays for minutes on a pod that goes on running when nothing came of it.
    if why.get("status") != "True" or not (ends or pod["status"].get("phase") == "Failed"):
        return None
    detail = f"{why.get('reason')}: {why.get('message', '')}"
    slug = _DISRUPTED.get(why.get("reason", ""), _DISRUPTED_ELSE)
    return Verdict(Phase.FAILED, _evicted(slug, detail), detail)


def _evicted(slug: str, detail: str) -> str:
    return "temporary_full" if slug == "evicted" and _says(detail, _TEMPORARY_FULL) else slug


def _ending(pod: Body) -> Verdict | None:
    return Verdict(Phase.STOPPING) if "deletionTimestamp" in pod["metadata"] else None


def _ended(status: Body, container: Body) -> Verdict | None:
    end = container.get("state", {}).get("terminated")
    if status.get("phase") == "Succeeded" or (end and end["exitCode"] == 0):
        return Verdict(Phase.ENDED)
    if status.get("phase") != "Failed":
        return None
    detail = f"{status.get('reason', '')}: {status.get('message', '')} {_how(end)}".strip(": ")
    if slug := _FAILED.get(status.get("reason", "")):
        return Verdict(Phase.FAILED, _evicted(slug, detail), detail)
    if status.get("reason", "").startswith(_NO_ROOM_AFTER_ALL):
        return Verdict(Phase.FAILED, "start_failed", detail)
    return Verdict(Phase.FAILED, "out_of_memory" if _is_out_of_memory(end) else "session_crashed", detail)


def _running(status: Body, container: Body) -> Verdict | None:
    state = container.get("state", {})
    if "running" in state:
        if condition(status, "Ready").get("status") == "True":
            if _is_out_of_memory(before := _last_end(container)):  # it was started anew, and this is why
                return Verdict(Phase.READY, "out_of_memory", _how(before))
            return Verdict(Phase.READY)
        again = container.get("restartCount", 0) > 0
        return (
            Verdict(Phase.STARTED, "restarting_container", _how(_last_end(container)))
            if again
            else Verdict(Phase.STARTED)
        )
    if "terminated" in state:
        return Verdict(Phase.STARTED, "restarting_container", _how(state["terminated"]))
    return None


def _held_up(container: Body, events: list[Body]) -> Verdict | None:
    waiting = container.get("state", {}).get("waiting")
    if waiting is None:
        return None
    why, message = waiting.get("reason", ""), waiting.get("message", "")
    if why in _IMAGE:
        return _pull(message, events)
    if known := _WAITING.get(why):
        if why == "CrashLoopBackOff" and _is_out_of_memory(_last_end(container)):
            return Verdict(Phase.FAILED, "out_of_memory", _how(_last_end(container)))
        return known._replace(detail=f"{message} {_how(_last_end(container))}".strip())
    return _being_made(events)


def _pull(message: str, events: list[Body]) -> Verdict:
    """A pull that is tried again later does not say why; the events of the last try do."""
    said = [event["message"] for event in events if event["reason"] == "Failed" and "pull" in event["message"]]
    detail = " ".join((message, *said[-1:]))
    for slug, words in _PULLS:
        if _says(detail, words):
            hopeless = slug != "image_pull_failed"
            return Verdict(Phase.FAILED if hopeless else Phase.CREATED, slug, detail)
    return Verdict(Phase.CREATED, "image_pull_failed", detail)


def _being_made(events: list[Body]) -> Verdict | None:
    newest = next((event for event in reversed(events) if event["reason"] in _MAKING), None)
    if newest is None or not (slug := _MAKING[newest["reason"]]):
        return None
    if newest["reason"] == "FailedMount":
        for event in events:  # the newest may only say that it took too long
            if _says(event["message"], _PART_MISSING):
                return Verdict(Phase.CREATED, "container_refused", event["message"])
    return Verdict(Phase.CREATED, slug, newest["message"])


def _unplaced(status: Body, events: list[Body], of_claim: list[Body]) -> Verdict | None:
    why = condition(status, "PodScheduled")
    if why.get("status") == "True":
        return None
    found = _no_node(why.get("message", ""), events) if why.get("status") == "False" else None
    if found and found.reason != "volume_unbound":
        return found
    return _claim_fails(of_claim) or found


def _claim_fails(of_claim: list[Body]) -> Verdict | None:
    if of_claim and of_claim[-1]["reason"] in _CLAIM_FAILS:
        return Verdict(Phase.CREATED, "volume_unbound", of_claim[-1]["message"])
    return None


def _no_node(message: str, events: list[Body]) -> Verdict:
    if _says(message, _CLAIM_MISSING):
        # Who places pods may not have heard of it yet: a second after the API was away, claims are news as well.
        return Verdict(Phase.CREATED, "volume_lost", message)
    if _says(message, _CLAIM_UNBOUND):
        return Verdict(Phase.CREATED, "volume_unbound", message)
    if newest := next((event for event in reversed(events) if event["reason"] in _MACHINES), None):
        slug = _MACHINES[newest["reason"]]
        return Verdict(Phase.CREATED, slug, newest["message"])
    never = _says(message, _NEVER_FITS) and not _says(message, _MAY_FIT_LATER)
    return Verdict(Phase.CREATED, "no_matching_node" if never else "unschedulable", message)


def _says(message: str, words: str) -> bool:
    return re.search(words, message, re.IGNORECASE) is not None


def _last_end(container: Body) -> Body | None:
    end: Body | None = container.get("lastState", {}).get("terminated")
    return end


def _is_out_of_memory(end: Body | None) -> bool:
    return end is not None and end.get("reason") == "OOMKilled"


def _how(end: Body | None) -> str:
    return f"(ended with {end['exitCode']}: {end.get('reason', '')})" if end else ""
