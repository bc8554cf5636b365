"""Save a home folder as a snapshot, and remove snapshots that are no longer wanted."""

import json
import os
from pathlib import Path

from desktops.runtimes.backups import home_folder, home_swap, paths
from desktops.runtimes.backups.base import Retention, TaskResult, TaskSpec
from desktops.runtimes.backups.restic import Restic, prepare, snapshot_ids
from desktops.runtimes.base import RuntimeFault

HOST = "podesk"  # the same for all snapshots, wherever a task runs: restic compares with the last one of this host
PARTIAL = 3  # exit code: the snapshot was saved without some files that could not be read


def back_up(task: TaskSpec, restic: Restic, home_path: str) -> TaskResult:
    with home_folder.opened(home_path) as home:
        if home_swap.pending(home):
            raise RuntimeFault("interrupted", "a restore of this home folder was killed and must end first")
        prepare(restic, used=task.repository.used)
        result = _save(restic, home)
        try:
            home_folder.check(home_path, home)
        except RuntimeFault:  # deleted meanwhile, so the snapshot has only a part of the files
            restic.run("forget", result.snapshot)
            raise
        return result


def _save(restic: Restic, home: int) -> TaskResult:
    here = paths.pattern(os.fsencode(Path.cwd()).strip(b"/"))
    left_out = set(home_folder.all_names(home)) - set(home_folder.names(home))
    options = [word for name in left_out for word in ("--exclude", f"{here}/{name}")]
    unread, summary = 0, None
    command = ("backup", ".", "--json", "--host", HOST, "--one-file-system", *options)
    for line in restic.lines(*command, accept=(0, PARTIAL)):
        if line.startswith(b'{"message_type":"summary"'):
            summary = json.loads(line)
        # An error "during scan" is about a file that has one "during archival", too.
        unread += line.startswith(b'{"message_type":"error"') and b'"during":"archival"' in line
    if summary is None:
        raise RuntimeFault("backup_failed", "restic wrote no summary", permanent=False)
    [snapshot] = snapshot_ids(restic, summary["snapshot_id"])
    return TaskResult(
        snapshot=snapshot,
        size=summary["total_bytes_processed"],
        added=summary["data_added"],
        files_new=summary["files_new"],
        files_changed=summary["files_changed"],
        files_unmodified=summary["files_unmodified"],
        files_unread=unread,
    )


def forget(task: TaskSpec, restic: Restic) -> TaskResult:
    """Remove the snapshots that the task names, and those that its retention does not keep."""
    prepare(restic, used=True)
    there = snapshot_ids(restic)
    wanted = there if task.delete_all else tuple(each for each in task.snapshots if each in there)
    if wanted:
        restic.run("forget", *wanted)
    if task.retention:
        restic.run("forget", "--group-by", "host", *_keep(task.retention))
    restic.run("prune")
    left = snapshot_ids(restic)
    size = restic.json("stats", "--mode", "raw-data")["total_size"] if left else 0
    return TaskResult(snapshots=left, repository_size=size)


def _keep(retention: Retention) -> list[str]:
    kept = {"hourly": retention.hourly, "daily": retention.daily, "weekly": retention.weekly,
            "monthly": retention.monthly}  # fmt: skip
    return ["--keep-last=1", *(f"--keep-{name}={count}" for name, count in kept.items() if count)]
