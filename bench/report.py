"""Options and report of a benchmark: a table in bench/results, with the machine that it was measured on."""

import argparse
import os
import platform
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"
MISSED = 1  # exit status


@dataclass(frozen=True)
class LimitCheck:
    """A limit that a benchmark must keep, and whether it did."""

    what: str
    met: bool

    @property
    def verdict(self) -> str:
        return "met" if self.met else "**missed**"


@dataclass(frozen=True)
class Report:
    name: str  # of the benchmark, as in `python -m bench.<name>`
    lines: list[str]
    checks: list[LimitCheck]


def rounds_asked(description: str | None, default: int) -> int:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=default)
    return int(parser.parse_args().rounds)


def publish(report: Report, rounds: int) -> int:
    """Print the table, write it to bench/results/, and return the exit status.

    The file is <name>.md, with "-" for each "." of the name. The status is not zero if a limit was missed.
    """
    load = os.getloadavg()[2]
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {rounds} rounds, load {load:.1f}"
    title = report.name.replace(".", " ").capitalize()
    text = f"# {title}\n\n`python -m bench.{report.name}`, {machine}.\n\n" + "\n".join(report.lines) + "\n"
    (RESULTS / f"{report.name.replace('.', '-')}.md").write_text(text)
    print(text)
    return _status(report.checks)


def _status(checks: Iterable[LimitCheck]) -> int:
    missed = [check for check in checks if not check.met]
    for check in missed:
        print(f"missed: {check.what}", file=sys.stderr)
    return MISSED if missed else 0


def ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 0.1 else f"{seconds * 1000:.0f} ms"
