"""Find out the state of a backup task from its Job and pods. Pure."""

import json
from collections.abc import Iterable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

from desktops.runtimes.backups.base import ObservedTask, TaskResult, TaskState
from desktops.runtimes.kubernetes import pod_disruption
from desktops.runtimes.kubernetes.backup_manifests import TASK
from desktops.runtimes.kubernetes.pod_verdict import Body, condition, matches

PATIENCE = timedelta(minutes=15)  # for room, a node or an image
# Messages of the scheduler. They do not get better by waiting.
_HOPELESS = (
    (r"persistentvolumeclaim .*(not found|being deleted)", "volume_gone"),
    ("ReadWriteOncePod", "desktop_runs"),
)
# What the kubelet says of a container that cannot start, whatever happens.
_UNSTARTABLE = ("InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError")
# What a Job that has more than one try goes on after. All other failures would repeat.
_TRIED_AGAIN = ("interrupted", "out_of_memory", "backup_failed")
_SIGNALS = (137, 143)  # exit codes of a container that was killed or ended
_DETAIL = 500  # characters
_FIELDS = {field.name for field in fields(TaskResult)}
Failure = tuple[str, str]  # reason and detail


def observed(job: Body, pods: Iterable[Body], now: datetime | None = None) -> ObservedTask:
    """Return the state of the task. `pods` are those of this Job; usually one."""
    task_id, pods, now = job["metadata"]["labels"][TASK], list(pods), now or datetime.now(UTC)
    for pod in pods:
        if (ended := _own_report(task_id, pod)) and not (_tries_again(job, now) and ended.reason in _TRIED_AGAIN):
            return ended
    if failure := _failure(job, pods, now):
        reason, detail = failure
        return ObservedTask(task_id, TaskState.FAILED, reason=reason, detail=detail[:_DETAIL])
    return ObservedTask(task_id, TaskState.RUNNING)


def _own_report(task_id: str, pod: Body) -> ObservedTask | None:
    """Return what the program itself wrote at its end, or None if it wrote nothing."""
    try:
        said = json.loads(_ended_container(pod).get("message", ""))
        state = TaskState(said["state"])
        result = said.get("result") or {}
        known: dict[str, Any] = {
            key: tuple(each) if isinstance(each, list) else each for key, each in result.items() if key in _FIELDS
        }
        detail = str(said.get("detail") or "")[:_DETAIL]
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    if state is TaskState.SUCCEEDED:
        return ObservedTask(task_id, state, result=TaskResult(**known), detail=detail)
    return ObservedTask(task_id, TaskState.FAILED, reason=said.get("reason") or "backup_failed", detail=detail)


def _failure(job: Body, pods: list[Body], now: datetime) -> Failure | None:
    """Return why the task has failed without a report of its own, or None if it goes on."""
    status = job.get("status", {})
    failed = condition(status, "Failed")
    if failed.get("reason") == "DeadlineExceeded" or _is_over(job, now):
        return "timed_out", failed.get("message", "")
    for pod in pods:
        if (failure := _failure_of(pod, now)) and not (_tries_again(job, now) and failure[0] in _TRIED_AGAIN):
            return failure
    if "deletionTimestamp" in job["metadata"]:
        return "interrupted", "the Job is being deleted"
    if failed.get("status") == "True" or condition(status, "Complete").get("status") == "True":
        return "interrupted", f"its pod is gone; {failed.get('message', '')}"
    if not pods and _age(job, now) > PATIENCE:
        return "not_started", "the cluster has made no pod for the Job; its events say why"
    return None


def _tries_again(job: Body, now: datetime) -> bool:
    """Say whether the cluster makes another pod for the Job when one has failed."""
    over = condition(job.get("status", {}), "Failed") or "deletionTimestamp" in job["metadata"] or _is_over(job, now)
    return bool(job["spec"].get("backoffLimit")) and not over


def _failure_of(pod: Body, now: datetime) -> Failure | None:
    if disrupted := pod_disruption.disrupted(pod):
        return "interrupted", disrupted.detail
    if "deletionTimestamp" in pod["metadata"]:
        return "interrupted", "its pod was deleted"
    if ended := _ended_container(pod):
        return _failure_of_container(ended)
    if pod["status"].get("phase") == "Failed":  # evicted, or refused by its node
        return "interrupted", f"{pod['status'].get('reason', '')}: {pod['status'].get('message', '')}"
    return _why_it_waits(pod, now)


def _failure_of_container(ended: Body) -> Failure:
    code, why = ended.get("exitCode"), ended.get("reason", "")
    detail = f"{why}, exit code {code}; {ended.get('message', '')}"
    if why == "OOMKilled":
        return "out_of_memory", detail
    return ("interrupted" if code in _SIGNALS else "backup_failed"), detail


def _why_it_waits(pod: Body, now: datetime) -> Failure | None:
    status = pod["status"]
    if status.get("phase") != "Pending":
        return None
    unscheduled = condition(status, "PodScheduled")
    message = unscheduled.get("message", "") if unscheduled.get("status") == "False" else ""
    for words, reason in _HOPELESS:
        if matches(message, words):
            return reason, message
    waiting = _container_state(pod, "waiting")
    detail = message or f"{waiting.get('reason', '')}: {waiting.get('message', '')}"
    if waiting.get("reason") in _UNSTARTABLE or _age(pod, now) > PATIENCE:
        return "not_started", detail
    return None


def _ended_container(pod: Body) -> Body:
    return _container_state(pod, "terminated")


def _container_state(pod: Body, kind: str) -> Body:
    for container in pod["status"].get("containerStatuses") or []:
        found: dict[str, Any] = container.get("state", {}).get(kind) or {}
        return found
    return {}


def _is_over(job: Body, now: datetime) -> bool:
    """Say whether the Job has had its time. The cluster ends the pod a moment before it says so."""
    seconds = job["spec"].get("activeDeadlineSeconds")
    began = job.get("status", {}).get("startTime")
    ended = job.get("status", {}).get("completionTime")
    if not began or not seconds or ended:
        return False
    return now - datetime.fromisoformat(began) >= timedelta(seconds=seconds)


def _age(body: Body, now: datetime) -> timedelta:
    return now - datetime.fromisoformat(body["metadata"]["creationTimestamp"])
