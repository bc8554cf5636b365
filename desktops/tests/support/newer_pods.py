"""Complete pods and events as Kubernetes 1.26 to 1.36 write them. The cluster of these tests is older."""

from typing import Any

Body = dict[str, Any]
UID = "0b6c7d3e-5d0a-4b8f-9a53-3f0f3c1f2a77"
ENDS = "2026-11-28T15:10:30Z"


def condition(kind: str, status: str = "True", reason: str = "", message: str = "", at: str = "15:00:03") -> Body:
    found = {"type": kind, "status": status, "lastProbeTime": None, "observedGeneration": 1}
    found |= {"lastTransitionTime": f"2026-11-28T{at}Z"}
    return found | ({"reason": reason} if reason else {}) | ({"message": message} if message else {})


def pod(*more: Body, ends: bool = False, **status: Any) -> Body:
    """Return a running pod. The given conditions replace those of the same type."""
    return {"apiVersion": "v1", "kind": "Pod", "metadata": _metadata(ends), "spec": _spec()} | {
        "status": _status(*more) | status
    }


def pending(*more: Body, **status: Any) -> Body:
    """Return a pod that is not scheduled on a node."""
    waits = {"observedGeneration": 1, "phase": "Pending", "qosClass": "Guaranteed", "conditions": list(more)}
    return pod() | {"status": waits | status}


def _metadata(ends: bool) -> Body:
    return {
        "name": "vnc-x",
        "namespace": "vnc-pods",
        "uid": UID,
        "resourceVersion": "81234",
        "generation": 2 if ends else 1,
        "creationTimestamp": "2026-11-28T15:00:00Z",
        "labels": {"podesk/desktop": "3f2b8c1d-9e4a-4c0b-8a55-000000000001", "podesk/run": "1"},
        "annotations": {"podesk/endpoint": "10.96.1.2:5901"},
    } | ({"deletionTimestamp": ENDS, "deletionGracePeriodSeconds": 10} if ends else {})


def _spec() -> Body:
    tolerated = {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
    return {
        "containers": [{"name": "desktop", "image": "r/a:1", "imagePullPolicy": "IfNotPresent"}],
        "volumes": [{"name": "home", "persistentVolumeClaim": {"claimName": "home-x"}}],
        "nodeName": "node-1",
        "restartPolicy": "OnFailure",
        "preemptionPolicy": "PreemptLowerPriority",
        "tolerations": [tolerated | {"key": f"node.kubernetes.io/{what}"} for what in ("not-ready", "unreachable")],
    }


def _status(*more: Body) -> Body:
    given = {each["type"]: each for each in more}
    usual = [
        condition("PodReadyToStartContainers", at="15:00:02"),
        condition("Initialized", at="15:00:01"),
        condition("Ready", at="15:00:06"),
        condition("ContainersReady", at="15:00:06"),
        condition("PodScheduled", at="15:00:01"),
    ]
    return {
        "observedGeneration": 1,
        "phase": "Running",
        "conditions": _merged(usual, given),
        "hostIP": "192.0.2.1",
        "hostIPs": [{"ip": "192.0.2.1"}],
        "podIP": "10.244.0.9",
        "podIPs": [{"ip": "10.244.0.9"}],
        "qosClass": "Guaranteed",
        "startTime": "2026-11-28T15:00:01Z",
        "containerStatuses": [container(running={"startedAt": "2026-11-28T15:00:04Z"})],
    }


def _merged(usual: list[Body], given: dict[str, Body]) -> list[Body]:
    kept = [given.pop(each["type"], each) for each in usual]
    return [*given.values(), *kept]


def container(last: Body | None = None, restarts: int = 0, **state: Body) -> Body:
    size = {"cpu": "1", "memory": "1Gi"}
    return {
        "name": "desktop",
        "image": "r/a:1",
        "imageID": "r/a@sha256:0" if "running" in state else "",
        "state": state,
        "lastState": {"terminated": last} if last else {},
        "ready": "running" in state,
        "started": "running" in state,
        "restartCount": restarts,
        "allocatedResources": size,
        "resources": {"limits": size, "requests": size},
        "user": {"linux": {"uid": 1000, "gid": 1000, "supplementalGroups": [1000]}},
        "volumeMounts": [{"name": "home", "mountPath": "/home/void/workspace"}],
    }


def ended(code: int, reason: str) -> Body:
    times = {"startedAt": "2026-11-28T15:00:04Z", "finishedAt": "2026-11-28T15:05:00Z"}
    return {"exitCode": code, "reason": reason, "containerID": "containerd://1"} | times


def event(reason: str, message: str, at: str, kind: str = "Pod", **more: Any) -> Body:
    """Return an event of the API events.k8s.io as the core API shows it: most of the core API's fields are empty."""
    about = {"kind": kind, "name": "vnc-x", "uid": UID} if kind == "Pod" else {"kind": kind, "name": "home-x"}
    return {
        "metadata": {"uid": f"{reason}-{at}", "creationTimestamp": "2026-11-28T15:00:01Z"},
        "involvedObject": about,
        "reason": reason,
        "message": message,
        "source": {},
        "firstTimestamp": None,
        "lastTimestamp": None,
        "eventTime": f"2026-11-28T{at}Z",
        "action": "Scheduling",
        "type": "Warning",
        "reportingComponent": "default-scheduler",
        "reportingInstance": "default-scheduler-master",
    } | more
