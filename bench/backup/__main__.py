"""Measure backups of a home folder, and a restore, beside `tar` of the same files in one run.

    python -m bench.backup [--rounds 3] [--files 10000] [--kib 105]

Fills a home folder with random bytes: 1 GiB in 10,000 files. Each round saves it into a new repository, changes one
file of a hundred, saves it again, and restores it into a new home folder and in place of itself, with the engine of
one machine. `tar` packs and unpacks the same files with the same priority. Writes bench/results/backup.md. Limits: the
second backup takes at most 0.25 of the time of the first, and the restore into a new home folder at most twice the
time of `tar -x` with a sync, because a restore is on the disk when it ends.
"""

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench.catalogue import refuse_without_tools
from bench.report import LimitCheck, Report, publish
from desktops.runtimes.backups.base import NewVolume, TaskKind
from desktops.runtimes.backups.run import NICE
from desktops.tests.support.backup_tasks import BackupHarness

SECOND, RESTORE = 0.25, 2.0  # limits, as parts of the first backup and of `tar -x`
CHANGED = 100  # one file of so many
PER_FOLDER = 100
NEW, PERSON = "home-new", NewVolume(owner_id="1", owner_name="Ada", storage_gib=5)


@dataclass
class Times:
    """Seconds by what was measured, one of each round."""

    seconds: dict[str, list[float]] = field(default_factory=dict)

    def take(self, what: str, work: Callable[[], object]) -> None:
        began = time.monotonic()
        work()
        self.seconds.setdefault(what, []).append(time.monotonic() - began)
        print(f"{what}: {self.seconds[what][-1]:.1f} s", file=sys.stderr)

    def median(self, what: str) -> float:
        return statistics.median(self.seconds[what])


def fill(backups: BackupHarness, files: int, size: int) -> list[Path]:
    paths = [backups.home / f"folder-{number // PER_FOLDER}" / f"file-{number}" for number in range(files)]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(os.urandom(size))
    backups.own()
    return paths


def change(paths: list[Path], size: int) -> None:
    for path in random.sample(paths, max(1, len(paths) // CHANGED)):
        path.write_bytes(os.urandom(size))


def one_round(backups: BackupHarness, paths: list[Path], size: int, times: Times) -> None:
    archive, unpacked = backups.folder / "archive.tar", backups.folder / "unpacked"
    shutil.rmtree(backups.store, ignore_errors=True)
    backups.forget_repository()
    os.sync()
    times.take("tar -c", lambda: _tar("-cf", archive, "-C", backups.home, "."))
    times.take("first backup", lambda: backups.succeed(TaskKind.BACKUP))
    change(paths, size)
    os.sync()
    times.take("second backup", backups.back_up)
    unpacked.mkdir()
    os.sync()
    times.take("tar -x", lambda: _unpack(archive, unpacked))
    shutil.rmtree(unpacked)
    archive.unlink()
    os.sync()
    times.take("restore", lambda: backups.succeed(TaskKind.RESTORE, snapshot="latest", volume=NEW, new_volume=PERSON))
    shutil.rmtree(backups.home.with_name(NEW))
    os.sync()
    times.take("restore in place", lambda: backups.succeed(TaskKind.RESTORE, snapshot="latest"))


def _tar(*arguments: object) -> None:
    subprocess.run(["nice", "-n", str(NICE), "tar", *map(str, arguments)], check=True)


def _unpack(archive: Path, folder: Path) -> None:
    _tar("-xpf", archive, "-C", folder)
    subprocess.run(["sync", "--file-system", folder], check=True)


def report(times: Times, files: int, total: int) -> Report:
    second = times.median("second backup") / times.median("first backup")
    restore = times.median("restore") / times.median("tar -x")
    checks = [
        LimitCheck(f"the second backup takes at most {SECOND} x the first, but took {second:.2f} x", second <= SECOND),
        LimitCheck(f"the restore takes at most {RESTORE} x tar -x, but took {restore:.2f} x", restore <= RESTORE),
    ]
    lines = [
        f"| {total / 2**30:.2f} GiB in {files:,} files | median | least - most |",
        "|---|---|---|",
        *(
            f"| {what} | {statistics.median(every):.1f} s | {min(every):.1f} - {max(every):.1f} s |"
            for what, every in times.seconds.items()
        ),
        "",
        "A backup and a restore include the start of the process, and removing locks of killed tasks.",
        "A restore checks the hash of each block and ends when all is on the disk; `tar -x` is timed with a sync.",
        "A restore in place also removes the old files. All run with the same low priority.",
        "",
        f"Limit: second backup at most {SECOND} x the first: {second:.2f} x, {checks[0].verdict}.",
        f"Limit: restore at most {RESTORE:.0f} x `tar -x`: {restore:.2f} x, {checks[1].verdict}.",
    ]
    return Report("backup", lines, checks)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--kib", type=float, default=105, help="size of each file")
    options = parser.parse_args()
    refuse_without_tools("backup")
    size, times, backups = int(options.kib * 1024), Times(), BackupHarness()
    try:
        paths = fill(backups, options.files, size)
        for _ in range(options.rounds):
            one_round(backups, paths, size, times)
    finally:
        backups.close()
    return publish(report(times, options.files, size * options.files), options.rounds)


if __name__ == "__main__":
    sys.exit(main())
