"""Map what Kubernetes and container runtimes report about a pod to our reasons. Pure."""

from desktops.runtimes.base import Phase
from desktops.runtimes.kubernetes.pod_disruption import disrupted, refused
from desktops.runtimes.kubernetes.pod_scheduling import CLAIM_FAILS, MACHINES, unplaced
from desktops.runtimes.kubernetes.pod_verdict import Body, Verdict, condition, matches

# Reasons of a waiting container. Image problems are distinguished by their message.
_IMAGE = ("ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "ImageInspectError")
_WAITING = {
    "InvalidImageName": Verdict(Phase.FAILED, "image_not_found"),
    "ErrImageNeverPull": Verdict(Phase.FAILED, "image_not_found"),
    "CrashLoopBackOff": Verdict(Phase.FAILED, "crash_loop"),
    "CreateContainerConfigError": Verdict(Phase.CREATED, "container_refused"),
    "CreateContainerError": Verdict(Phase.CREATED, "container_refused"),
    "RunContainerError": Verdict(Phase.CREATED, "container_refused"),
    "SignatureValidationFailed": Verdict(Phase.CREATED, "container_refused"),
}

# Events of a pod whose container is being created. The newest one is the current reason.
_MAKING = {
    "Pulling": "image_pulling",
    "Pulled": "",
    "FailedMount": "volume_attaching",
    "FailedAttachVolume": "volume_attaching",
    "FailedCreatePodSandBox": "container_refused",
}
# The desktop image ends with these codes after a crash of a desktop that ran (docker/desktop/bin/desktop).
_CRASHED = {81: "screen_crashed", 82: "session_crashed"}
_MOST_RESTARTS = 3  # up to this number, wait for the kubelet's next restart
_PART_MISSING = r'(secret|configmap) "[^"]*" not found'
# Events with more information than the pod has at that time.
STATE_EVENTS = frozenset({*_MAKING, *MACHINES, *CLAIM_FAILS, "Failed"})

# Texts of containerd and docker. The first match wins, because a failed connection is neither "denied" nor "not found".
_CANNOT_ASK = (
    "dial tcp|no such host|connection re|timeout|tls:|x509:|http response to https|eof|request canceled|"
    "deadline exceeded|toomanyrequests|too many requests|unexpected status code 5|unexpected status: 5|no space left"
)
_DENIED = "denied|unauthorized|authorization failed|failed to authorize|forbidden|no basic auth|authentication required"
_NOT_FOUND = "not ?found|manifest unknown|name unknown|does not exist|no match for platform"
_PULLS = (("image_pull_failed", _CANNOT_ASK), ("image_denied", _DENIED), ("image_not_found", _NOT_FOUND))


def verdict(pod: Body, container: Body, events: list[Body], of_claim: list[Body]) -> Verdict:
    """Return the verdict on a pod.

    `container` is its container status, or empty. `events` and `of_claim` are the events of the pod and its claim,
    oldest first.
    """
    return (
        disrupted(pod)
        or _ending(pod)
        or _ended(pod["status"], container)
        or _running(pod["status"], container)
        or _waiting(container, events)
        or unplaced(pod["status"], events, of_claim)
        or Verdict(Phase.CREATED)
    )


def _ending(pod: Body) -> Verdict | None:
    return Verdict(Phase.STOPPING) if "deletionTimestamp" in pod["metadata"] else None


def _ended(status: Body, container: Body) -> Verdict | None:
    end = container.get("state", {}).get("terminated")
    if status.get("phase") == "Succeeded" or (end and end["exitCode"] == 0):
        return Verdict(Phase.ENDED)
    if status.get("phase") != "Failed":
        return None
    detail = f"{status.get('reason', '')}: {status.get('message', '')} {_how(end)}".strip(": ")
    if by_pod := refused(status, end is not None, detail):
        return by_pod
    return Verdict(Phase.FAILED, "out_of_memory" if _is_out_of_memory(end) else "session_crashed", detail)


def _running(status: Body, container: Body) -> Verdict | None:
    state = container.get("state", {})
    if "running" in state:
        if condition(status, "Ready").get("status") == "True":
            before = _last_end(container)
            return Verdict(Phase.READY, why, _how(before)) if (why := _why_ended(before)) else Verdict(Phase.READY)
        again = container.get("restartCount", 0) > 0
        return (
            Verdict(Phase.STARTED, "restarting_container", _how(_last_end(container)))
            if again
            else Verdict(Phase.STARTED)
        )
    if "terminated" in state:
        return Verdict(Phase.STARTED, "restarting_container", _how(state["terminated"]))
    return None


def _waiting(container: Body, events: list[Body]) -> Verdict | None:
    waiting = container.get("state", {}).get("waiting")
    if waiting is None:
        return None
    why, message = waiting.get("reason", ""), waiting.get("message", "")
    if why in _IMAGE:
        return _pull(message, events)
    if known := _WAITING.get(why):
        if why == "CrashLoopBackOff" and _is_out_of_memory(_last_end(container)):
            return Verdict(Phase.FAILED, "out_of_memory", _how(_last_end(container)))
        if why == "CrashLoopBackOff" and _may_recover(container):
            known = Verdict(Phase.STARTED, "restarting_container")
        return known._replace(detail=f"{message} {_how(_last_end(container))}".strip())
    return _creating(events)


def _pull(message: str, events: list[Body]) -> Verdict:
    """Return the verdict on a failed pull.

    The message of a back-off has no reason, but the last attempt's events do.
    """
    messages = [event["message"] for event in events if event["reason"] == "Failed" and "pull" in event["message"]]
    detail = " ".join((message, *messages[-1:]))
    for slug, words in _PULLS:
        if matches(detail, words):
            permanent = slug != "image_pull_failed"
            return Verdict(Phase.FAILED if permanent else Phase.CREATED, slug, detail)
    return Verdict(Phase.CREATED, "image_pull_failed", detail)


def _creating(events: list[Body]) -> Verdict | None:
    newest = next((event for event in reversed(events) if event["reason"] in _MAKING), None)
    if newest is None or not (slug := _MAKING[newest["reason"]]):
        return None
    if newest["reason"] == "FailedMount":
        for event in events:  # the newest event may only report a timeout
            if matches(event["message"], _PART_MISSING):
                return Verdict(Phase.CREATED, "container_refused", event["message"])
    return Verdict(Phase.CREATED, slug, newest["message"])


def _last_end(container: Body) -> Body | None:
    end: Body | None = container.get("lastState", {}).get("terminated")
    return end


def _why_ended(end: Body | None) -> str:
    """Return the slug if the cause of the last restart is known, else an empty string."""
    if end is None:
        return ""
    return "out_of_memory" if _is_out_of_memory(end) else _CRASHED.get(end["exitCode"], "")


def _may_recover(container: Body) -> bool:
    """Say whether the container had been running well, so that the kubelet's pause does not mean failure yet."""
    end = _last_end(container)
    return end is not None and end["exitCode"] in _CRASHED and container.get("restartCount", 0) <= _MOST_RESTARTS


def _is_out_of_memory(end: Body | None) -> bool:
    return end is not None and end.get("reason") == "OOMKilled"


def _how(end: Body | None) -> str:
    return f"(ended with {end['exitCode']}: {end.get('reason', '')})" if end else ""
