"""The files of a task: what it must do, and what became of it, as JSON."""

import json
from dataclasses import asdict
from typing import Any

from desktops.runtimes.backups.base import (
    ObservedTask,
    RepositoryAccess,
    Retention,
    TaskKind,
    TaskResult,
    TaskSpec,
    TaskState,
)

MOST_BYTES = 4000  # of a result; Kubernetes keeps 4096 of a termination message
DETAIL = 500  # characters


def write_task(task: TaskSpec, home: str) -> bytes:
    """Return TASK.json. `home` is the path of the home folder where the task runs. Contains secrets."""
    raw = asdict(task)
    del raw["placement"], raw["new_volume"]  # only engines need them
    return json.dumps({"task": raw, "home": home}).encode()


def read_task(text: bytes) -> tuple[TaskSpec, str]:
    """Return the task, and the path of the home folder."""
    raw = json.loads(text)
    task = raw["task"]
    task["kind"] = TaskKind(task["kind"])
    task["repository"] = RepositoryAccess(**task["repository"])
    task["retention"] = task["retention"] and Retention(**task["retention"])
    task["paths"], task["part"] = tuple(task["paths"]), tuple(task["part"])
    task["snapshots"] = tuple(task["snapshots"])
    return TaskSpec(**task), raw["home"]


def write_result(seen: ObservedTask) -> bytes:
    """Return RESULT, at most MOST_BYTES long."""
    result = seen.result and {name: value for name, value in asdict(seen.result).items() if value}
    detail = seen.detail.encode("ascii", "replace").decode()[-DETAIL:]
    text = json.dumps({"state": seen.state, "result": result, "reason": seen.reason, "detail": detail}).encode()
    if len(text) > MOST_BYTES:
        failed = ObservedTask(seen.id, TaskState.FAILED, reason="backup_failed", detail="the result is too long")
        return write_result(failed)
    return text


def read_result(task_id: str, text: bytes) -> ObservedTask:
    """Return the state of a task that has ended. Without a complete result it was interrupted."""
    try:
        raw: dict[str, Any] = json.loads(text)
        result = raw["result"]
        if result is not None:
            result = TaskResult(**result | {"snapshots": tuple(result.get("snapshots", ()))})
        return ObservedTask(task_id, TaskState(raw["state"]), result, raw["reason"], raw["detail"])
    except (ValueError, KeyError, TypeError, AttributeError):
        detail = text[-DETAIL:].decode(errors="replace")
        return ObservedTask(task_id, TaskState.FAILED, reason="interrupted", detail=detail)
