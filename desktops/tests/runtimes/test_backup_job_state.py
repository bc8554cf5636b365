"""The state of a backup task, from Jobs and pods as clusters report them."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from desktops.runtimes.backups.base import ObservedTask, TaskResult, TaskState
from desktops.runtimes.kubernetes.backup_job_state import observed

ID = "3f2b8c1d-9e4a-4c0b-8a55-000000000001"
BEGAN, SOON = "2026-11-29T04:00:00Z", datetime(2026, 11, 29, 4, 5, tzinfo=UTC)
LATE = datetime(2026, 11, 29, 4, 16, tzinfo=UTC)
Body = dict[str, Any]


def job(*conditions: Body, **meta: str) -> Body:
    return {
        "metadata": {"labels": {"podesk/task": ID}, "creationTimestamp": BEGAN} | meta,
        "spec": {"activeDeadlineSeconds": 3600, "backoffLimit": 0},
        "status": {"startTime": BEGAN, "conditions": list(conditions)},
    }


def pod(phase: str, state: Body | None = None, **status: Any) -> Body:
    containers = [{"name": "restic", "state": state}] if state else []
    meta = {"creationTimestamp": BEGAN} | status.pop("meta", {})
    return {"metadata": meta, "status": {"phase": phase, "containerStatuses": containers} | status}


def ended(message: Any = "", code: int = 0, reason: str = "") -> Body:
    text = message if isinstance(message, str) else json.dumps(message)
    return {
        "terminated": {"exitCode": code, "reason": reason or ("Completed" if not code else "Error"), "message": text}
    }


def unscheduled(message: str) -> Body:
    waiting = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return pod("Pending", conditions=[waiting])


FAILED = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}
LATE_END = {"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}
DONE = {"type": "Complete", "status": "True"}
NO_CLAIM = '0/3 nodes are available: 3 persistentvolumeclaim "home-ada" not found.'
CLAIM_ENDS = '0/3 nodes are available: 3 persistentvolumeclaim "home-ada" is being deleted.'
ONE_POD = (
    "0/3 nodes are available: 3 node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod "
    "access mode."
)
EVICTED = {"reason": "Evicted", "message": "The node was low on resource: memory."}
WRONG = {"state": "failed", "reason": "wrong_password", "detail": "restic says no"}


def test_success_is_what_the_program_wrote():
    result = {"snapshot": "abc", "size": 7, "snapshots": ["abc", "def"], "of_a_later_version": 1}
    said = ended({"state": "succeeded", "result": result})
    assert observed(job(DONE), [pod("Succeeded", said)], SOON) == ObservedTask(
        ID, TaskState.SUCCEEDED, result=TaskResult(snapshot="abc", size=7, snapshots=("abc", "def"))
    )


def test_failure_is_what_the_program_wrote():
    assert observed(job(FAILED), [pod("Failed", ended(WRONG, code=1))], SOON) == ObservedTask(
        ID, TaskState.FAILED, reason="wrong_password", detail="restic says no"
    )


@pytest.mark.parametrize(
    "pods",
    [
        [],
        [pod("Pending")],
        [unscheduled("0/3 nodes are available: 3 Insufficient memory.")],
        [pod("Pending", {"waiting": {"reason": "ImagePullBackOff"}})],
        [pod("Running", {"running": {"startedAt": BEGAN}})],
    ],
)
def test_running(pods):
    assert observed(job(), pods, SOON) == ObservedTask(ID, TaskState.RUNNING)


@pytest.mark.parametrize(
    ("reason", "found", "pods"),
    [
        ("timed_out", job(LATE_END), []),
        ("interrupted", job(FAILED), []),
        ("interrupted", job(DONE), []),
        ("interrupted", job(deletionTimestamp=BEGAN), []),
        ("interrupted", job(), [pod("Running", {"running": {}}, meta={"deletionTimestamp": BEGAN}), pod("Pending")]),
        ("interrupted", job(FAILED), [pod("Failed", ended(code=137))]),
        ("interrupted", job(FAILED), [pod("Failed", ended(code=143))]),
        ("interrupted", job(FAILED), [pod("Failed", **EVICTED)]),
        ("out_of_memory", job(FAILED), [pod("Failed", ended(code=137, reason="OOMKilled"))]),
        ("backup_failed", job(FAILED), [pod("Failed", ended("Traceback", code=1))]),
        ("backup_failed", job(DONE), [pod("Succeeded", ended())]),
        ("volume_gone", job(), [unscheduled(NO_CLAIM)]),
        ("volume_gone", job(), [unscheduled(CLAIM_ENDS)]),
        ("desktop_runs", job(), [unscheduled(ONE_POD)]),
        ("not_started", job(), [pod("Pending", {"waiting": {"reason": "InvalidImageName"}})]),
    ],
)
def test_failed(reason, found, pods):
    seen = observed(found, pods, SOON)
    assert (seen.state, seen.reason) == (TaskState.FAILED, reason)


@pytest.mark.parametrize(
    "pods", [[], [unscheduled("no room")], [pod("Pending", {"waiting": {"reason": "ImagePullBackOff"}})]]
)
def test_what_has_not_started_for_long_has_failed(pods):
    assert observed(job(), pods, LATE).reason == "not_started"


def test_what_runs_for_long_goes_on():
    assert observed(job(), [pod("Running", {"running": {}})], LATE).state is TaskState.RUNNING


KILLED = pod("Failed", ended(code=137))
STOPPED = pod("Failed", ended({"state": "failed", "reason": "interrupted"}, code=1))
NEXT = pod("Running", {"running": {}})


def restore(*conditions: Body, **meta: str) -> Body:
    found = job(*conditions, **meta)
    return found | {"spec": found["spec"] | {"backoffLimit": 3}}


@pytest.mark.parametrize("pods", [[KILLED], [STOPPED], [KILLED, NEXT], [STOPPED, NEXT]])
def test_a_restore_that_was_killed_goes_on_in_the_next_pod(pods):
    assert observed(restore(), pods, SOON).state is TaskState.RUNNING
    assert observed(restore(deletionTimestamp=BEGAN), pods, SOON).reason == "interrupted"
    assert observed(restore(FAILED), pods, SOON).reason == "interrupted"
    assert observed(restore(LATE_END), [], SOON).reason == "timed_out"


def test_a_restore_that_failed_by_itself_has_no_further_try():
    assert observed(restore(), [pod("Failed", ended(WRONG, code=1)), NEXT], SOON).reason == "wrong_password"


def test_a_restore_that_a_later_pod_has_finished():
    done = pod("Succeeded", ended({"state": "succeeded", "result": {"size": 7}}))
    assert observed(restore(DONE), [KILLED, done], SOON).result == TaskResult(size=7)


def test_at_the_deadline_the_pod_is_deleted_before_the_job_has_failed():
    later = datetime(2026, 11, 29, 5, 0, 1, tzinfo=UTC)
    ends = pod("Running", {"running": {}}, meta={"deletionTimestamp": BEGAN})
    assert observed(job(), [ends], later).reason == "timed_out"


def test_detail_is_bounded_and_nonsense_is_no_report():
    seen = observed(job(FAILED), [pod("Failed", ended('{"state": "splendid"}' + "x" * 4000, code=1))], SOON)
    assert seen.reason == "backup_failed"
    assert len(seen.detail) == 500
