"""Run one task: `python -m desktops.runtimes.backups.run TASK RESULT`. Uses the standard library only.

TASK is a file as task_files.py writes it, RESULT the file for what became of it; "-" means standard input and output.
"""

import argparse
import fcntl
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from desktops.runtimes.backups import restoring, saving, task_files, verifying
from desktops.runtimes.backups.base import ObservedTask, TaskKind, TaskResult, TaskSpec, TaskState
from desktops.runtimes.backups.restic import Restic
from desktops.runtimes.base import RuntimeFault

NICE = 10  # desktops come first


def main() -> int:
    options = _options()
    task, home = _read(options.task)
    result = 1 if options.result == "-" else os.open(options.result, os.O_WRONLY | os.O_CREAT, 0o600)
    if options.detach and os.fork():
        os._exit(0)
    if options.account:
        _become(options.account)
    signal.signal(signal.SIGTERM, _stop)  # as process 1 of a container we would ignore it
    seen = _outcome(task, lambda: _perform(task, home, options))
    os.write(result, task_files.write_result(seen))
    return 0 if seen.state == TaskState.SUCCEEDED else 1


def _options() -> Any:
    parser = argparse.ArgumentParser()
    parser.add_argument("task")
    parser.add_argument("result")
    parser.add_argument("--account", help="become this user and group, as UID:GID, without any other group")
    parser.add_argument("--detach", action="store_true", help="continue in the background once TASK is read")
    parser.add_argument("--turn", type=int, help="descriptor of a lock file: wait until no other task of it runs")
    parser.add_argument("--resume", action="store_true", help="only finish, or undo, a restore that was killed")
    return parser.parse_args()


def _read(file: str) -> tuple[TaskSpec, str]:
    if file == "-":
        return task_files.read_task(sys.stdin.buffer.read())
    text = Path(file).read_bytes()
    with suppress(OSError):  # it has secrets; a Secret of a cluster cannot be removed here
        Path(file).unlink()
    return task_files.read_task(text)


def _become(account: str) -> None:
    """Change to an account that may not be able to read this program: everything must be imported by now."""
    uid, gid = map(int, account.split(":"))
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def _outcome(task: TaskSpec, perform: Callable[[], TaskResult]) -> ObservedTask:
    try:
        return ObservedTask(task.id, TaskState.SUCCEEDED, perform())
    except RuntimeFault as error:
        return ObservedTask(task.id, TaskState.FAILED, reason=error.reason, detail=error.detail)
    except Exception as error:
        return ObservedTask(task.id, TaskState.FAILED, reason="backup_failed", detail=repr(error))


def _perform(task: TaskSpec, home: str, options: Any) -> TaskResult:
    with suppress(OSError):
        os.nice(NICE)
    if options.turn is not None:
        fcntl.flock(options.turn, fcntl.LOCK_EX)
    if options.resume:
        return restoring.resume(task, home)
    restic = Restic(task.repository, end_with_us=True)
    if task.kind == TaskKind.BACKUP:
        return saving.back_up(task, restic, home)
    if task.kind == TaskKind.RESTORE:
        return restoring.restore(task, restic, home)
    return verifying.verify(task, restic) if task.kind == TaskKind.VERIFY else saving.forget(task, restic)


def _stop(*_: object) -> None:
    raise RuntimeFault("interrupted", "SIGTERM", permanent=False)


if __name__ == "__main__":
    sys.exit(main())
