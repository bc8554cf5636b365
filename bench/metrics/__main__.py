"""Measure what a scrape of the metrics costs, with 10,000 desktops, beside a process without metrics of its own.

    python -m bench.metrics [--rounds 5]

Starts Redis, web, worker and controller, and a bare Python process with the same client library. Each round scrapes
every process 100 times and takes the CPU time that it used, without what it uses in the same time at rest. Then it
measures how long the controller's numbers take to compute. Writes bench/results/metrics.md. Limit: a scrape of any
process takes at most 10 ms of CPU.
"""

import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.catalogue import refuse_without_tools
from bench.metrics.stage import staged
from bench.report import LimitCheck, Report, ms, publish, rounds_asked

LIMIT = 0.010  # seconds of CPU
DESKTOPS, SCRAPES = 10_000, 100
FLOOR = "bare"  # name of the process without metrics of its own


@dataclass(frozen=True)
class Figures:
    series: dict[str, int]  # by process: lines with a value
    cpu: dict[str, list[float]]  # by process: CPU seconds of a scrape, one of each round
    computing: list[float]  # CPU seconds of the controller's numbers


def measure(folder: Path, rounds: int) -> Figures:
    with staged(folder, DESKTOPS) as processes:
        cpu: dict[str, list[float]] = {name: [] for name in processes}
        for number in range(rounds):
            for name, process in processes.items():
                cpu[name].append(process.cpu_per_scrape(SCRAPES))
            print(
                f"round {number + 1}: {', '.join(f'{name} {ms(every[-1])}' for name, every in cpu.items())}",
                file=sys.stderr,
            )
        texts = {name: process.scrape() for name, process in processes.items()}
        series = {name: sum(not line.startswith("#") for line in text.splitlines()) for name, text in texts.items()}
        return Figures(series, cpu, [_compute() for _ in range(rounds)])


def _compute() -> float:
    from desktops.lifecycle import installation_metrics

    began = time.process_time()
    installation_metrics.from_database()
    return time.process_time() - began


def report(found: Figures) -> Report:
    middle = {name: statistics.median(every) for name, every in found.cpu.items()}
    worst = max(middle, key=lambda name: middle[name])
    check = LimitCheck(
        f"a scrape takes at most {ms(LIMIT)} of CPU, but of {worst} it took {ms(middle[worst])}", middle[worst] <= LIMIT
    )
    lines = [
        f"| process, with {DESKTOPS:,} desktops | series | CPU of a scrape, median | least - most | to bare |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {found.series[name]} | {ms(middle[name])} | {ms(min(every))} - {ms(max(every))} "
            f"| {middle[name] / max(middle[FLOOR], 1e-6):.1f} x |"
            for name, every in found.cpu.items()
        ),
        "",
        "`bare` is a Python process with the same client library and no metrics of its own.",
        "The web process has the series of every route, for GET and POST.",
        f"The controller's numbers take {ms(statistics.median(found.computing))} of CPU, at most every 15 s.",
        "",
        f"Limit: a scrape takes at most {ms(LIMIT)} of CPU: {check.verdict}.",
    ]
    return Report("metrics", lines, [check])


def main() -> int:
    rounds = rounds_asked(__doc__, 5)
    refuse_without_tools("metrics")
    with tempfile.TemporaryDirectory(prefix="podesk-bench-", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o711)
        figures = measure(Path(made), rounds)
    return publish(report(figures), rounds)


if __name__ == "__main__":
    sys.exit(main())
