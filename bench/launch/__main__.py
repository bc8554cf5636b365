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
from bench.report import Hold, Report, ms, rounds_asked, tell
from tests.support.running_podesk import running

FACTOR, EXTRA = 1.15, 0.150  # of the shell's time; seconds
CALM = 2.0  # seconds before each measurement, in which processes of the previous one end


def measure(folder: Path, count: int) -> tuple[list[float], list[dict[str, float]]]:
    floor, clicks = [], []
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
                floor.append(shell)
                clicks.append(times)
    return floor, clicks


def report(floor: list[float], clicks: list[dict[str, float]]) -> Report:
    shell = statistics.median(floor)
    medians = {name: statistics.median(click[name] for click in clicks) for name in clicks[0]}
    limit, first = FACTOR * shell + EXTRA, medians["first pixels"]
    hold = Hold(f"first pixels within {ms(limit)} after the click, and they took {ms(first)}", first <= limit)
    lines = [
        "| what | median | spread |",
        "|---|---|---|",
        f"| same session from a shell, until its banner | {ms(shell)} | {ms(min(floor))} - {ms(max(floor))} |",
    ]
    for name, median in medians.items():
        every = [click[name] for click in clicks]
        lines.append(f"| click until {name} | {ms(median)} | {ms(min(every))} - {ms(max(every))} |")
    lines.append(f"| hold: {FACTOR} x shell + {ms(EXTRA)} | {ms(limit)} | {hold.verdict} |")
    return Report("launch", lines, [hold])


def main() -> int:
    rounds = rounds_asked(__doc__, 9)
    refuse_without_tools("launch")
    with tempfile.TemporaryDirectory(prefix="podesk-bench-", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o711)
        floor, clicks = measure(Path(made), rounds)
    return tell(report(floor, clicks), rounds)


if __name__ == "__main__":
    sys.exit(main())
