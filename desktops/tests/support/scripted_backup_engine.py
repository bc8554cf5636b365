"""A backup engine that reports what a test sets, and can be unavailable. It replaces restic, outside the portal."""

from desktops.runtimes.backups.base import ObservedTask, TaskResult, TaskSpec, TaskState
from desktops.runtimes.base import Deadline, RuntimeFault, RuntimeUnknown


class ScriptedBackupEngine:
    def __init__(self) -> None:
        self.unavailable = False
        self.fault: RuntimeFault | None = None  # of the next calls of begin
        self.still_ending = False
        self.begun: list[TaskSpec] = []
        self.there: dict[str, ObservedTask] = {}

    def begin(self, task: TaskSpec, *, deadline: Deadline) -> None:
        self._answer()
        if self.fault:
            raise self.fault
        if task.id not in self.there:
            self.begun.append(task)
            self.there[task.id] = ObservedTask(task.id, TaskState.RUNNING)

    def observe(self) -> list[ObservedTask]:
        self._answer()
        return list(self.there.values())

    def remove(self, task_id: str, *, deadline: Deadline) -> None:
        self._answer()
        if self.still_ending:
            raise RuntimeFault("still_ending", task_id, permanent=False)
        self.there.pop(task_id, None)

    def succeeds(self, task_id: object, **result: object) -> None:
        done = TaskResult(**{"snapshot": str(task_id).replace("-", "")[:16]} | result)
        self.there[str(task_id)] = ObservedTask(str(task_id), TaskState.SUCCEEDED, done)

    def fails(self, task_id: object, reason: str) -> None:
        self.there[str(task_id)] = ObservedTask(str(task_id), TaskState.FAILED, reason=reason, detail="of the test")

    def _answer(self) -> None:
        if self.unavailable:
            raise RuntimeUnknown("nobody answers")
