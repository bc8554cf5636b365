"""Measure keystroke to pixel in a running desktop, in quiet and during a backup of another home folder, in one run.

    python -m bench.backup.keystrokes [--rounds 3]

Presses keys in the terminal of a desktop of one machine, and waits for the first update that changes the character.
Each round types in quiet, then during a first backup of 1 GiB in 10,000 files. Writes
bench/results/backup-keystrokes.md. Limit: during a backup at most 1.3 times the time in quiet, median and p95.
"""

import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain

from bench.backup.__main__ import fill
from bench.catalogue import refuse_without_tools
from bench.report import LimitCheck, Report, ms, publish, rounds_asked
from desktops.runtimes.backups.base import TaskKind, TaskState
from desktops.runtimes.base import DesktopSpec
from desktops.tests.support.backup_tasks import BackupHarness
from desktops.tests.support.rfb_client import RfbClient
from desktops.tests.support.runtime_specs import PASSWORD, LocalHarness, until

PAUSE = 0.05, 0.15  # seconds between two keys: at random, so that they do not keep in step with frames
FILES, SIZE = 10_000, 105 * 1024
LEAST_KEYS, QUIET_KEYS = 20, 100  # of one round
LIMIT, PERCENTS = 1.3, (50, 95)
LARGEST = 40  # pixels; one character is smaller
# Each key turns one character on or off, and nothing else in the terminal changes.
ECHO = r"""
import os, tty
tty.setraw(0)
os.write(1, b"\x1b[?25l\x1b[2J")
on = False
while os.read(0, 1):
    on = not on
    os.write(1, b"\x1b[8;20H" + (b"\x1b[7m \x1b[0m" if on else b" "))
"""
Place = tuple[int, int, int, int]  # x, y, width, height
Pixels = bytes | bytearray


class Typist:
    """A desktop of the local runtime, and a VNC client that types into its terminal."""

    def __init__(self) -> None:
        self._harness = LocalHarness()
        try:
            spec = self._harness.run()
            address = str(self._harness.place(spec.name).socket)
            self._client = RfbClient(address, PASSWORD, timeout=60)
            self._start_terminal(spec)
            self._screen = bytearray(self._client.screen())
            self._place: Place = until(self._character, what="the terminal", every=0.5)
        except BaseException:
            self._harness.close()
            raise

    def close(self) -> None:
        self._client.socket.close()
        self._harness.close()

    def _start_terminal(self, spec: DesktopSpec) -> None:
        session = self._harness.program(spec.name, "xfwm4")
        user, group, home = session.uids().real, session.gids().real, self._harness.home(spec)
        command = ["xfce4-terminal", "--maximize", "--execute", "python3", "-c", ECHO]
        subprocess.Popen(command, env=session.environ(), user=user, group=group, cwd=home)

    def _character(self) -> Place | None:
        """Return where one key draws, if the terminal is there and has the focus."""
        self._client.click(self._client.width // 2, self._client.height // 2)
        boxes = [self._change(), self._change()]
        box = boxes[0]
        return box if box and boxes[0] == boxes[1] and max(box[2:]) <= LARGEST else None

    def _change(self) -> Place | None:
        time.sleep(0.5)
        before = self._client.screen()
        self._client.key(ord("x"))
        time.sleep(0.5)
        self._screen = bytearray(self._client.screen())
        return changed(before, self._screen, self._client.width)

    def keystroke(self) -> float:
        """Return the seconds from a key to the first update in which its character differs."""
        time.sleep(random.uniform(*PAUSE))  # nosec B311 - not a secret
        before = self._pixels()
        self._client.request(self._place, changes=True)
        began = time.monotonic()
        self._client.key(ord("x"))
        while True:
            self._client.receive(self._screen)
            if self._pixels() != before:
                return time.monotonic() - began
            self._client.request(self._place, changes=True)

    def _pixels(self) -> bytes:
        x, y, width, height = self._place
        starts = [(row * self._client.width + x) * 4 for row in range(y, y + height)]
        return b"".join(self._screen[start : start + width * 4] for start in starts)


def changed(before: Pixels, after: Pixels, width: int) -> Place | None:
    """Return the smallest rectangle with all differences."""
    pixels = [at for at in range(len(before) // 4) if before[at * 4 : at * 4 + 3] != after[at * 4 : at * 4 + 3]]
    if not pixels:
        return None
    columns, rows = [at % width for at in pixels], [at // width for at in pixels]
    return min(columns), min(rows), max(columns) - min(columns) + 1, max(rows) - min(rows) + 1


@dataclass
class Latency:
    """Seconds of each keystroke, by round."""

    rounds: list[list[float]] = field(default_factory=list)

    def take(self, typist: Typist, more: Callable[[int], bool]) -> None:
        """Type one round: while `more` is true for the number of keys so far."""
        seconds: list[float] = []
        while len(seconds) < LEAST_KEYS or more(len(seconds)):
            seconds.append(typist.keystroke())
        self.rounds.append(seconds)

    @property
    def keys(self) -> int:
        return sum(map(len, self.rounds))

    def percentile(self, percent: int) -> float:
        """Return this percentile of all rounds together."""
        return _percentile(list(chain.from_iterable(self.rounds)), percent)

    def spread(self, percent: int) -> tuple[float, float]:
        """Return the least and the largest percentile of one round."""
        found = [_percentile(seconds, percent) for seconds in self.rounds]
        return min(found), max(found)


def _percentile(seconds: list[float], percent: int) -> float:
    return statistics.quantiles(seconds, n=100, method="inclusive")[percent - 1]


@dataclass
class Typing:
    """Keystrokes in quiet and during a first backup of another home folder, by turns."""

    quiet: Latency = field(default_factory=Latency)
    busy: Latency = field(default_factory=Latency)

    def one_round(self, typist: Typist, backups: BackupHarness) -> None:
        shutil.rmtree(backups.store, ignore_errors=True)
        backups.forget_repository()
        os.sync()
        self.quiet.take(typist, lambda keys: keys < QUIET_KEYS)
        task = backups.begin(TaskKind.BACKUP)
        self.busy.take(typist, lambda _: backups.seen(task).state == TaskState.RUNNING)
        ended = backups.ended(task)
        if ended.state != TaskState.SUCCEEDED:
            raise RuntimeError(f"the backup failed: {ended}")

    def ratio(self, percent: int) -> float:
        return self.busy.percentile(percent) / self.quiet.percentile(percent)

    def checks(self) -> list[LimitCheck]:
        return [self._check(percent) for percent in PERCENTS]

    def _check(self, percent: int) -> LimitCheck:
        ratio = self.ratio(percent)
        what = f"p{percent} of keystrokes during a backup is at most {LIMIT} x that in quiet, but was {ratio:.2f} x"
        return LimitCheck(what, ratio <= LIMIT)

    def lines(self) -> list[str]:
        """Return a table with percentiles of all rounds, and the least and the largest of one round."""
        keys = f"{self.quiet.keys} keys in quiet, {self.busy.keys} during backups"
        rows = [
            f"| {what}, p{percent} | {ms(latency.percentile(percent))} | {_spread(latency, percent)} |"
            for percent in PERCENTS
            for what, latency in (("in quiet", self.quiet), ("during a first backup", self.busy))
        ]
        limits = [
            f"Limit: p{percent} during a backup at most {LIMIT} x: {self.ratio(percent):.2f} x, {check.verdict}."
            for percent, check in zip(PERCENTS, self.checks(), strict=True)
        ]
        about = "Each round types in quiet, then during a first backup of 1 GiB in another home folder."
        head = ["| keystroke to pixel in a running desktop | all rounds | least - most of a round |", "|---|---|---|"]
        return [*head, *rows, "", f"{keys}. {about}", "", *limits]


def _spread(latency: Latency, percent: int) -> str:
    return " - ".join(map(ms, latency.spread(percent)))


def report(typing: Typing) -> Report:
    return Report("backup.keystrokes", typing.lines(), typing.checks())


def main() -> int:
    rounds = rounds_asked(__doc__, 3)
    refuse_without_tools("backup.keystrokes")
    typing, backups = Typing(), BackupHarness()
    try:
        fill(backups, FILES, SIZE)
        typist = Typist()
        try:
            for _ in range(rounds):
                typing.one_round(typist, backups)
        finally:
            typist.close()
    finally:
        backups.close()
    return publish(report(typing), rounds)


if __name__ == "__main__":
    sys.exit(main())
