"""Verify a repository: check a part of its data, and restore a random file and compare it."""

import hashlib
import json
import random
import tempfile
from pathlib import Path

from desktops.runtimes.backups import paths
from desktops.runtimes.backups.base import TaskResult, TaskSpec
from desktops.runtimes.backups.restic import LOST, Restic, prepare, snapshot_ids
from desktops.runtimes.base import RuntimeFault

LARGEST = 256 << 20  # bytes of the file that is restored to a temporary folder


def verify(task: TaskSpec, restic: Restic) -> TaskResult:
    prepare(restic, used=True)
    part, of = task.part
    restic.run("check", f"--read-data-subset={part}/{of}")
    found = snapshot_ids(restic)
    if not found:
        return TaskResult()
    if (chosen := _random_file(restic, found[-1])) is not None:
        _compare(restic, found[-1], *chosen)
    return TaskResult(snapshot=found[-1])


def _random_file(restic: Restic, snapshot: str) -> tuple[str, int] | None:
    """Return path and size of a file, each with the same probability, from one pass."""
    chosen, seen = None, 0
    for line in restic.lines("ls", "--json", snapshot):
        node = json.loads(line)
        if node.get("type") != "file" or node.get("size", 0) > LARGEST or LOST in node["path"]:
            continue
        seen += 1
        if random.randrange(seen) == 0:  # nosec B311 - not a secret
            chosen = node["path"], node.get("size", 0)
    return chosen


def _compare(restic: Restic, snapshot: str, path: str, size: int) -> None:
    """Restore a file as a person would, and compare it with what a download gives. Raises RuntimeFault."""
    with tempfile.TemporaryDirectory(prefix="podesk-verify-") as folder:
        include = paths.pattern(path.strip("/").encode())
        restic.run("restore", snapshot, "--target", folder, "--include", include, "--verify")
        with (Path(folder) / path.strip("/")).open("rb") as file:
            restored = hashlib.file_digest(file, "sha256").digest()
            length = file.tell()
    dumped = hashlib.sha256()
    for data in restic.output("dump", snapshot, path):
        dumped.update(data)
    if length != size or restored != dumped.digest():
        raise RuntimeFault("repository_damaged", f"a restored file of {size} bytes is not what was saved")
