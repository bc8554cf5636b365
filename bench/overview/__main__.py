"""Measure the overview of the administration with 10,000 desktops, home folders and runs.

    python -m bench.overview [--rounds 9]

Starts Redis and one web process, with 1,000 owners and all launches in the last week. Asks for the overview as the
page does every 15 seconds. Takes the CPU time of the web process, which contains the database (SQLite), because the
time until the answer depends on what else the machine does. Writes bench/results/overview.md. Limit: 300 ms of CPU.
"""

import statistics
import sys
import tempfile
from pathlib import Path

from bench.catalogue import refuse_without_tools
from bench.overview.stage import staged
from bench.report import LimitCheck, Report, ms, publish, rounds_asked

LIMIT = 0.300  # seconds of CPU
ROWS = 10_000


def measure(folder: Path, rounds: int) -> list[tuple[float, float]]:
    with staged(folder, ROWS) as visitor:
        visitor.ask()  # the first request loads templates
        return [visitor.ask() for _ in range(rounds)]


def report(found: list[tuple[float, float]]) -> Report:
    cpu, took = zip(*found, strict=True)
    middle = statistics.median(cpu)
    check = LimitCheck(f"the overview takes at most {ms(LIMIT)} of CPU, but it took {ms(middle)}", middle <= LIMIT)
    lines = [
        f"| overview with {ROWS:,} desktops, home folders and runs of the last week | median | least - most |",
        "|---|---|---|",
        *(
            f"| {name} | {ms(statistics.median(every))} | {ms(min(every))} - {ms(max(every))} |"
            for name, every in (("CPU of the web process and its database", cpu), ("until the answer", took))
        ),
        "",
        f"Limit: at most {ms(LIMIT)} of CPU: {check.verdict}.",
    ]
    return Report("overview", lines, [check])


def main() -> int:
    rounds = rounds_asked(__doc__, 9)
    refuse_without_tools("overview")
    with tempfile.TemporaryDirectory(prefix="podesk-bench-", ignore_cleanup_errors=True) as made:
        figures = measure(Path(made), rounds)
    return publish(report(figures), rounds)


if __name__ == "__main__":
    sys.exit(main())
