"""The state of pods, from shortened records of a real cluster (1.20, containerd) in pod_records.json."""

import json
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from desktops.runtimes.base import Phase, VNCEndpoint
from desktops.runtimes.kubernetes.pod_state import STEPS, observed, ready_since, waits_to_restart

RECORDS = json.loads(Path(__file__).with_name("pod_records.json").read_text())
PULLED = STEPS[:3]
STARTED = STEPS[:4]


def record(name: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    found = deepcopy(RECORDS[name])
    return found["pod"], found["events"]


@pytest.mark.parametrize(
    ("name", "phase", "reason", "restarts", "steps"),
    [
        ("ready", Phase.READY, "", 0, STEPS),
        ("crash-once", Phase.READY, "", 1, STEPS),
        ("not-ready", Phase.STARTED, "", 0, STARTED),
        ("before-evicted", Phase.STARTED, "", 0, STARTED),
        ("terminating", Phase.STOPPING, "", 0, STEPS),
        ("succeeded", Phase.ENDED, "", 0, STARTED),
        ("too-much-cpu", Phase.CREATED, "unschedulable", 0, ()),
        ("gpu", Phase.CREATED, "unschedulable", 0, ()),
        ("selector", Phase.CREATED, "no_matching_node", 0, ()),
        ("claim-unbound", Phase.CREATED, "volume_unbound", 0, ()),
        ("claim-missing", Phase.CREATED, "volume_lost", 0, ()),
        ("secret-missing", Phase.CREATED, "container_refused", 0, ("scheduled",)),
        ("config-missing", Phase.CREATED, "container_refused", 0, PULLED),
        ("invalid-name", Phase.FAILED, "image_not_found", 0, ("scheduled",)),
        ("never", Phase.FAILED, "image_not_found", 0, ("scheduled",)),
        ("unpullable-first", Phase.CREATED, "image_pull_failed", 0, ("scheduled", "mounted")),
        ("unpullable", Phase.CREATED, "image_pull_failed", 0, ("scheduled", "mounted")),
        ("crash-first", Phase.STARTED, "restarting_container", 2, STARTED),
        ("crash", Phase.FAILED, "crash_loop", 5, STARTED),
        ("oom-first", Phase.STARTED, "restarting_container", 2, STARTED),
        ("oom", Phase.FAILED, "out_of_memory", 5, STARTED),
        ("no-command-first", Phase.CREATED, "container_refused", 2, PULLED),
        ("no-command", Phase.FAILED, "crash_loop", 5, PULLED),
        ("evicted", Phase.FAILED, "temporary_full", 0, PULLED),
    ],
)
def test_what_a_cluster_said(name, phase, reason, restarts, steps):
    seen = observed(*record(name))
    assert (seen.phase, seen.reason, seen.restarts, tuple(seen.steps)) == (phase, reason, restarts, steps)
    assert (seen.name, seen.desktop_id, seen.run) == (f"vnc-{_pod_of(name)}", "3f2b8c1d-9e4a-4c0b-8a55-000000000001", 1)
    assert seen.endpoint == (VNCEndpoint("tcp", "10.96.1.2", 5901) if phase is Phase.READY else None)
    assert list(seen.steps.values()) == sorted(seen.steps.values())
    assert bool(seen.detail) == bool(reason)


def test_what_was_started_anew_for_its_memory_says_so():
    pod, events = record("crash-once")
    pod["status"]["containerStatuses"][0]["lastState"]["terminated"]["reason"] = "OOMKilled"
    seen = observed(pod, events)
    assert (seen.phase, seen.reason, seen.restarts) == (Phase.READY, "out_of_memory", 1)


@pytest.mark.parametrize(("code", "slug"), [(81, "screen_crashed"), (82, "session_crashed"), (1, "")])
def test_what_was_started_anew_after_a_crash_says_what_crashed(code, slug):
    pod, events = record("crash-once")
    pod["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] = code
    seen = observed(pod, events)
    assert (seen.phase, seen.reason, seen.restarts) == (Phase.READY, slug, 1)


@pytest.mark.parametrize(
    ("code", "restarts", "phase", "reason"),
    [
        (81, 3, Phase.STARTED, "restarting_container"),
        (82, 1, Phase.STARTED, "restarting_container"),
        (81, 4, Phase.FAILED, "crash_loop"),
        (1, 1, Phase.FAILED, "crash_loop"),
    ],
)
def test_what_ran_well_before_it_crashed_is_not_given_up_at_once(code, restarts, phase, reason):
    pod, events = record("crash")
    status = pod["status"]["containerStatuses"][0]
    status["lastState"]["terminated"]["exitCode"], status["restartCount"] = code, restarts
    seen = observed(pod, events)
    assert (seen.phase, seen.reason) == (phase, reason)


def _pod_of(record_name: str) -> str:
    return record_name.removesuffix("-first").removeprefix("before-")


def test_the_times_are_the_cluster_s():
    pod, events = record("ready")
    steps = observed(pod, events).steps
    ready = next(each for each in pod["status"]["conditions"] if each["type"] == "Ready")
    assert steps["ready"] == ready_since(pod) == datetime.fromisoformat(ready["lastTransitionTime"])
    assert steps["pulled"].tzinfo


def test_what_the_cluster_forgot_was_done_by_the_next_step():
    steps = observed(record("ready")[0], []).steps
    assert tuple(steps) == STEPS
    assert steps["mounted"] == steps["pulled"] == steps["started"]


def test_other_pods_events_are_not_ours():
    pod, events = record("unpullable-first")
    for event in events:
        event["involvedObject"]["uid"] = "of the run before"
    assert tuple(observed(pod, events).steps) == ("scheduled",)


@pytest.mark.parametrize("missing", ["reason", "message", "involvedObject", "lastTimestamp", "count"])
def test_events_that_leave_something_out_are_read(missing):
    pod, events = record("unpullable")
    assert events
    for event in events:
        event.pop(missing, None)
    assert observed(pod, events).reason == "image_pull_failed"


def test_without_events_a_pull_that_is_tried_later_is_no_verdict():
    seen = observed(record("unpullable")[0], [])
    assert (seen.phase, seen.reason) == (Phase.CREATED, "image_pull_failed")


@pytest.mark.parametrize("ends", [Phase.READY, Phase.STOPPING])
def test_an_address_of_the_new_internet(ends):
    pod, events = record("ready")
    pod["metadata"]["annotations"]["podesk/endpoint"] = "[fd00::7]:5901"
    if ends is Phase.STOPPING:
        pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert observed(pod, events).endpoint == (VNCEndpoint("tcp", "fd00::7", 5901) if ends is Phase.READY else None)


def test_a_desktop_that_just_left_has_ended_before_its_pod_says_so():
    pod, events = record("succeeded")
    pod["status"]["phase"] = "Running"
    assert observed(pod, events).phase is Phase.ENDED


def test_the_log_of_what_crashed_is_the_previous_one_s():
    assert waits_to_restart(record("crash")[0])
    assert not waits_to_restart(record("crash-once")[0])
    assert not waits_to_restart(record("unpullable")[0])


# --- images: the messages of containerd and docker


NOT_FOUND = [
    'failed to pull and unpack image "r/a:1": failed to resolve reference "r/a:1": r/a:1: not found',
    "rpc error: code = NotFound desc = failed to pull and unpack image",
    "Error response from daemon: manifest for r/a:9 not found: manifest unknown: manifest unknown",
    "Error response from daemon: unknown: repository a not found: name unknown",
    "no match for platform in manifest: not found",
]
DENIED = [
    "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope",
    "pull access denied for a, repository does not exist or may require 'docker login': denied: access is denied",
    "failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized",
    "unexpected status code [manifests 1]: 403 Forbidden",
    "Error response from daemon: Get https://r/v2/a/manifests/1: no basic auth credentials",
    "unauthorized: authentication required",
]
CANNOT_ASK = [
    'failed to do request: Head "https://r/v2/a/manifests/1": dial tcp 192.0.2.1:443: connect: connection refused',
    "dial tcp: lookup r: no such host",
    "failed to authorize: failed to fetch oauth token: Post https://r/token: dial tcp: i/o timeout",
    "net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)",
    "http: server gave HTTP response to HTTPS client",
    "tls: failed to verify certificate: x509: certificate signed by unknown authority",
    "toomanyrequests: You have reached your pull rate limit",
    "unexpected status code [manifests 1]: 503 Service Unavailable",
    "failed to extract layer: write /a: no space left on device",
    "something that nobody has seen yet",
]
PULLS = [
    *((message, Phase.FAILED, "image_not_found") for message in NOT_FOUND),
    *((message, Phase.FAILED, "image_denied") for message in DENIED),
    *((message, Phase.CREATED, "image_pull_failed") for message in CANNOT_ASK),
]


@pytest.mark.parametrize(("message", "phase", "reason"), PULLS)
def test_pulls(message, phase, reason):
    pod, events = record("unpullable-first")
    [container] = pod["status"]["containerStatuses"]
    container["state"]["waiting"]["message"] = message
    assert (observed(pod, []).phase, observed(pod, []).reason) == (phase, reason)
    container["state"]["waiting"] = {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "r/a:1"'}
    for event in events:
        if event["message"].startswith("Failed to pull image"):
            event["message"] = f'Failed to pull image "r/a:1": {message}'
    assert (observed(pod, events).phase, observed(pod, events).reason) == (phase, reason)


# --- what a small cluster cannot produce, after the documentation of Kubernetes


def with_status(name: str, **status: Any) -> Any:
    pod, events = record(name)
    pod["status"] |= status
    return observed(pod, events)


@pytest.mark.parametrize(
    ("reason", "slug"),
    [
        ("NodeLost", "node_lost"),
        ("NodeShutdown", "node_shutdown"),
        ("Terminated", "node_shutdown"),
        ("Evicted", "evicted"),
        ("Preempting", "preempted"),
        ("UnexpectedAdmissionError", "start_failed"),
        ("OutOfcpu", "unschedulable"),
        ("", "session_crashed"),
    ],
)
def test_a_pod_that_failed(reason, slug):
    seen = with_status("not-ready", phase="Failed", reason=reason, message="because")
    assert (seen.phase, seen.reason) == (Phase.FAILED, slug)
    assert "because" in seen.detail


def test_a_pod_that_failed_for_lack_of_memory():
    pod, events = record("oom-first")
    pod["status"]["phase"] = "Failed"
    assert observed(pod, events).reason == "out_of_memory"


def test_what_the_cluster_meant_to_end_and_did_not_goes_on_running():
    """The cluster writes the condition before it ends the pod, and leaves it there if the eviction is refused."""
    pod, events = record("ready")
    meant = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": "so"}
    pod["status"]["conditions"].append(meant)
    assert (observed(pod, events).phase, observed(pod, events).reason) == (Phase.READY, "")
    pod["status"] |= {"phase": "Failed"}
    assert (observed(pod, events).phase, observed(pod, events).reason) == (Phase.FAILED, "vanished")


@pytest.mark.parametrize(
    ("message", "slug"),
    [
        ('Usage of EmptyDir volume "tmp" exceeds the limit "4Gi". ', "temporary_full"),
        ("Pod ephemeral local storage usage exceeds the total limit of containers 4Gi. ", "temporary_full"),
        ('Container desktop exceeded its local ephemeral storage limit "4Gi". ', "temporary_full"),
        ("The node was low on resource: ephemeral-storage. Container desktop was using 3Gi. ", "evicted"),
        ("The node was low on resource: memory. ", "evicted"),
    ],
)
def test_whose_room_was_used_up(message, slug):
    pod, _ = record("evicted")
    pod["status"] |= {"message": message}
    assert observed(pod, []).reason == slug
    why = {"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet", "message": message}
    pod["status"]["conditions"] = [why]
    assert observed(pod, []).reason == slug


def test_a_node_that_does_not_answer_for_a_moment_is_no_verdict():
    """The cluster marks the pods as not ready. It takes that back, or ends them some minutes later."""
    pod, events = record("ready")
    for each in pod["status"]["conditions"]:
        if each["type"] == "Ready":
            each["status"] = "False"
    seen = observed(pod, events)
    assert (seen.phase, seen.reason, seen.endpoint) == (Phase.STARTED, "", None)


def event(reason: str, message: str, pod: dict[str, Any], at: datetime) -> dict[str, Any]:
    about = {"uid": pod["metadata"]["uid"]}
    stamp = at.isoformat().replace("+00:00", "Z")
    return {"reason": reason, "message": message, "involvedObject": about, "lastTimestamp": stamp, "metadata": {}}


@pytest.mark.parametrize(
    ("last", "message", "reason"),
    [
        ("FailedAttachVolume", "Multi-Attach error for volume", "volume_attaching"),
        ("FailedMount", "Unable to attach or mount volumes: timed out", "volume_attaching"),
        ("FailedCreatePodSandBox", "no addresses left", "container_refused"),
        ("Pulling", "Pulling image", "image_pulling"),
        ("Pulled", "Successfully pulled image", ""),
    ],
)
def test_a_container_that_is_being_made(last, message, reason):
    pod, _ = record("secret-missing")
    before = event("FailedMount", "once", pod, datetime(2026, 1, 1, 12, 0, tzinfo=UTC))
    newest = event(last, message, pod, datetime(2026, 1, 1, 12, 1, tzinfo=UTC))
    assert observed(pod, [newest, before]).reason == reason


def of_claim(reason: str, minute: int, name: str = "home-x") -> dict[str, Any]:
    about = {"kind": "PersistentVolumeClaim", "name": name}
    at = f"2026-01-01T12:{minute:02}:00Z"
    return {"reason": reason, "message": f"so: {reason}", "involvedObject": about, "lastTimestamp": at, "metadata": {}}


@pytest.mark.parametrize("conditions", ["none yet", "claim-unbound"])
@pytest.mark.parametrize(
    ("said", "fails"),
    [
        ([of_claim("WaitForFirstConsumer", 0), of_claim("ProvisioningFailed", 1)], "ProvisioningFailed"),
        ([of_claim("FailedBinding", 1)], "FailedBinding"),
        ([of_claim("ProvisioningSucceeded", 2), of_claim("ProvisioningFailed", 1)], ""),
        ([of_claim("ProvisioningFailed", 1, "home-of-another")], ""),
        ([], ""),
    ],
)
def test_a_claim_that_gets_no_volume_says_why(said, fails, conditions):
    """Where volumes are created only after scheduling, the pod itself has no message."""
    pod, _ = record("claim-unbound")
    pod["spec"] = {"volumes": [{"name": "home", "persistentVolumeClaim": {"claimName": "home-x"}}]}
    if conditions == "none yet":
        pod["status"]["conditions"] = []
    seen = observed(pod, said)
    if fails:
        assert (seen.phase, seen.reason, seen.detail) == (Phase.CREATED, "volume_unbound", f"so: {fails}")
    else:
        assert seen.reason == ("" if conditions == "none yet" else "volume_unbound")
        assert "so: " not in seen.detail


def test_what_is_said_of_a_claim_counts_no_longer_when_the_pod_has_its_place():
    pod, events = record("secret-missing")
    pod["spec"] = {"volumes": [{"persistentVolumeClaim": {"claimName": "home-x"}}]}
    assert observed(pod, [*events, of_claim("ProvisioningFailed", 1)]).reason == "container_refused"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (["NotTriggerScaleUp"], "no_machine_coming"),
        (["TriggeredScaleUp"], "machine_coming"),
        (["NotTriggerScaleUp", "TriggeredScaleUp"], "machine_coming"),
        (["TriggeredScaleUp", "NotTriggerScaleUp"], "no_machine_coming"),
        (["FailedScheduling"], "unschedulable"),
    ],
)
def test_a_cluster_that_adds_machines_says_whether_one_comes(said, reason):
    pod, _ = record("too-much-cpu")
    events = [
        event(what, what.lower(), pod, datetime(2026, 1, 1, 12, minute, tzinfo=UTC)) for minute, what in enumerate(said)
    ]
    seen = observed(pod, events)
    assert (seen.phase, seen.reason) == (Phase.CREATED, reason)
    assert seen.detail == said[-1].lower() or reason == "unschedulable"


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("0/3 nodes are available: 1 Insufficient memory, 2 node(s) had untolerated taint {gpu: }.", "unschedulable"),
        ("0/3 nodes are available: 3 node(s) had taint {gpu: }, that the pod didn't tolerate.", "no_matching_node"),
        ("0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.", "no_matching_node"),
        ("no nodes available to schedule pods", "no_matching_node"),
        ("0/3 nodes are available: 3 Too many pods.", "unschedulable"),
        ("0/3 nodes are available: 3 node(s) had volume node affinity conflict.", "unschedulable"),
        ('persistentvolumeclaim "home-x" is being deleted', "volume_unbound"),
        ("0/1 nodes are available: 1 node(s) didn't find available persistent volumes to bind.", "volume_unbound"),
        ('persistentvolumeclaim "home-x" not found', "volume_lost"),
    ],
)
def test_a_pod_that_no_node_takes(message, reason):
    pod, _ = record("selector")
    for each in pod["status"]["conditions"]:
        each["message"] = message
    assert observed(pod, []).reason == reason
