"""Measure what one round of usage samples costs the controller, with 10,000 running desktops.

    python -m bench.usage [--rounds 9]

Starts PostgreSQL, Redis and a web server with the answer of a metrics API, and takes samples as the controller does:
one call for all pods, then one statement. Each run already has the histograms of eight hours. The floor, in the same
rounds, is the least that such a round needs: receive the same answer, parse its JSON, and send 10,000 values as JSON
in one bare UPDATE by the same driver. Takes the CPU time of this process, because the time until the end depends on
what else the machine does. PostgreSQL's CPU has rows of its own. Writes bench/results/usage.md. Limits: 250 ms of CPU,
and 2.5 x the floor.
"""

import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.catalogue import refuse_without_tools
from bench.report import LimitCheck, Report, ms, publish, rounds_asked
from bench.usage.stage import CpuSeconds, staged

LIMIT, RATIO = 0.250, 2.5  # seconds of CPU; to the floor
DESKTOPS = 10_000


@dataclass(frozen=True)
class Figures:
    sampled: list[CpuSeconds]  # one of each round
    floor: list[CpuSeconds]
    statements: int  # of one round
    memory: float  # MiB at most during a round

    @property
    def ratios(self) -> list[float]:
        return [one.controller / least.controller for one, least in zip(self.sampled, self.floor, strict=True)]


def measure(folder: Path, rounds: int) -> Figures:
    with staged(folder, DESKTOPS) as stage:
        found = Figures([], [], stage.statements(), stage.memory())
        for number in range(rounds + 1):  # the first round is a warm-up
            stage.publish_use()
            floor, sampled = stage.floor(), stage.sample()
            print(f"round {number}: {ms(sampled.controller)}, floor {ms(floor.controller)}", file=sys.stderr)
            if number:
                found.floor.append(floor)
                found.sampled.append(sampled)
    return found


def report(found: Figures) -> Report:
    cpu, ratio = statistics.median(each.controller for each in found.sampled), statistics.median(found.ratios)
    checks = [
        LimitCheck(f"a round takes at most {ms(LIMIT)} of CPU, but it took {ms(cpu)}", cpu <= LIMIT),
        LimitCheck(f"a round takes at most {RATIO} x the floor's CPU, but it took {ratio:.2f} x", ratio <= RATIO),
    ]
    lines = [
        f"| one round with {DESKTOPS:,} running desktops | CPU, median | least - most |",
        "|---|---|---|",
        _row("controller", [each.controller for each in found.sampled]),
        _row("floor: receive and parse the same JSON, one bare UPDATE", [each.controller for each in found.floor]),
        _row("PostgreSQL, for the controller", [each.database for each in found.sampled]),
        _row("PostgreSQL, for the floor", [each.database for each in found.floor]),
        "",
        f"Controller to floor: {ratio:.2f} ({min(found.ratios):.2f} - {max(found.ratios):.2f}). "
        f"Statements: {found.statements}. Memory at most: {found.memory:.0f} MiB.",
        "",
        "These are CPU times of processes, not the time until the end, which depends on other work on the machine.",
        "",
        f"Limit: at most {ms(LIMIT)} of the controller's CPU: {checks[0].verdict}.",
        f"Limit: at most {RATIO} x the floor: {checks[1].verdict}.",
    ]
    return Report("usage", lines, checks)


def _row(what: str, every: list[float]) -> str:
    return f"| {what} | {ms(statistics.median(every))} | {ms(min(every))} - {ms(max(every))} |"


def main() -> int:
    rounds = rounds_asked(__doc__, 9)
    refuse_without_tools("usage")
    with tempfile.TemporaryDirectory(prefix="podesk-bench-", ignore_cleanup_errors=True) as made:
        figures = measure(Path(made), rounds)
    return publish(report(figures), rounds)


if __name__ == "__main__":
    sys.exit(main())
