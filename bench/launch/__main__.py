"""Compare a launch, from click to first pixels, with the same session started from a shell, in one run.

    python -m bench.launch [--rounds 9]

Starts all of Podesk as `./podesk run` does, in a separate folder, and writes bench/results/launch.md. The session from
the shell is measured until its banner. Rounds alternate; the table shows medians. Limit: at most 1.15 x the shell's
time + 150 ms.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

from bench.catalogue import refuse_without_tools
from bench.launch import click
from bench.launch.click import Browser
from bench.launch.shell import seconds_to_banner
from bench.report import LimitCheck, Report, ms, publish, rounds_asked
from tests.support.running_podesk import running

FACTOR, EXTRA = 1.15, 0.150  # of the shell's time; seconds
CALM = 2.0  # seconds before each measurement, in which processes of the previous one end


def measure(folder: Path, count: int) -> tuple[list[float], list[dict[str, float]]]:
    baseline, clicks = [], []
    with running(folder / "data") as portal:
        browser = Browser(portal.url, portal.password)
        for number in range(count + 1):  # the first round is a warm-up
            time.sleep(CALM)
            shell = seconds_to_banner(folder / "shell", number)
            time.sleep(CALM)
            desktop, times = browser.launch()
            browser.delete(desktop)
            print(f"round {number}: shell {shell * 1000:.0f} ms, click {click.report(times)}", file=sys.stderr)
            if number:
                baseline.append(shell)
                clicks.append(times)
    return baseline, clicks


def report(baseline: list[float], clicks: list[dict[str, float]]) -> Report:
    shell = statistics.median(baseline)
    medians = {name: statistics.median(click[name] for click in clicks) for name in clicks[0]}
    limit, first = FACTOR * shell + EXTRA, medians["first pixels"]
    check = LimitCheck(f"first pixels within {ms(limit)} after the click, but they took {ms(first)}", first <= limit)
    lines = [
        "| what | median | spread |",
        "|---|---|---|",
        f"| same session from a shell, until its banner | {ms(shell)} | {ms(min(baseline))} - {ms(max(baseline))} |",
    ]
    for name, median in medians.items():
        every = [click[name] for click in clicks]
        lines.append(f"| click until {name} | {ms(median)} | {ms(min(every))} - {ms(max(every))} |")
    lines.append(f"| limit: {FACTOR} x shell + {ms(EXTRA)} | {ms(limit)} | {check.verdict} |")
    return Report("launch", lines, [check])


def main() -> int:
    rounds = rounds_asked(__doc__, 9)
    refuse_without_tools("launch")
    with tempfile.TemporaryDirectory(prefix="podesk-bench-", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o711)
        baseline, clicks = measure(Path(made), rounds)
    return publish(report(baseline, clicks), rounds)


if __name__ == "__main__":
    sys.exit(main())
