"""Compare the relay's throughput, latency, CPU and memory with websockify and plain TCP, in one run.

    python -m bench.relay [--rounds 9] [--skip-stall]

Starts all parts, takes about five minutes, and writes bench/results/relay.md. Each round measures websockify, Podesk,
websockify again; the ratio of a round compares Podesk with the mean of both; the table shows medians. Other work on the
machine affects both alike; when root starts the benchmark, all parts run at a higher priority. Uploads are counted at
the VNC server. The load line shows how busy the machine was.
"""

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from bench.catalogue import refuse_without_tools
from bench.relay.stage import Load, Relay, staged
from bench.report import LimitCheck, Report, publish

MIB, GIB = 2**20, 2**30
Figures = dict[str, float]
# figure -> unit, limit of the ratio to websockify; None: no limit
LIMITS: dict[str, tuple[str, str, float | None]] = {
    "down, 1 session": ("MiB/s", ">=", 1.2),
    "down, 20 sessions": ("MiB/s", ">=", 1.1),
    "up, 1 session": ("MiB/s", ">=", 1.8),
    "CPU, down, 1 session": ("s/GiB", "<=", 0.9),
    "CPU, down, 20 sessions": ("s/GiB", "<=", None),
    "round trip p50, 1 session": ("ms", "<=", 1.0),
    "round trip p99, 1 session": ("ms", "<=", None),
    "round trip p50, 20 sessions": ("ms", "<=", 0.6),
    "round trip p99, 20 sessions": ("ms", "<=", None),
}
STALL_STOP, STALL_SECONDS, STALL_LIMIT = 500 * MIB, 30, 8


def down(load: Load, relay: Relay, sessions: int, total: int) -> Figures:
    with load.sessions(relay, sessions):
        before = relay.cpu()
        seconds = load.order("down", total=total // sessions)["seconds"]
        cpu = relay.cpu() - before
    name = f"{sessions} session{'s' * (sessions > 1)}"
    return {f"down, {name}": total / MIB / seconds, f"CPU, down, {name}": cpu / (total / GIB)}


def up(load: Load, relay: Relay, total: int) -> Figures:
    with load.sessions(relay, 1):
        return {"up, 1 session": total / MIB / load.order("up", total=total)["seconds"]}


def ping(load: Load, relay: Relay, sessions: int) -> Figures:
    with load.sessions(relay, sessions):
        result = load.order("ping", seconds=0.7)
    name = f"{sessions} session{'s' * (sessions > 1)}"
    return {f"round trip {part}, {name}": result[part] for part in ("p50", "p99")}


MEASURES: list[Callable[[Load, Relay], Figures]] = [
    lambda load, relay: down(load, relay, 1, 384 * MIB),
    lambda load, relay: down(load, relay, 20, 400 * MIB),
    lambda load, relay: up(load, relay, 128 * MIB),
    lambda load, relay: ping(load, relay, 1),
    lambda load, relay: ping(load, relay, 20),
]


def rounds(
    load: Load, relays: list[Relay], count: int
) -> tuple[dict[str, dict[str, list[float]]], dict[str, list[float]]]:
    """Return figures by name and stack, and ratios by name."""
    baseline, peer, ours = relays
    figures: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    ratios: dict[str, list[float]] = defaultdict(list)
    for number in range(count + 1):  # the first round is a warm-up
        for measure in MEASURES:
            results = [(relay, measure(load, relay)) for relay in (baseline, peer, ours, peer)]
            if not number:
                continue
            for relay, found in results:
                for name, value in found.items():
                    figures[name][relay.name].append(value)
            _, (_, before), (_, middle), (_, after) = results
            for name, value in middle.items():
                ratios[name].append(value / ((before[name] + after[name]) / 2))
        print(f"round {number} of {count}, load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    return figures, ratios


def idle(load: Load, relay: Relay, sessions: int = 200) -> float:
    """Return the KiB of memory for each idle session."""
    with load.sessions(relay, 1):
        before = relay.memory()
        load.order("connect", target=vars(relay.target), sessions=sessions)
        time.sleep(1)
        return (relay.memory() - before) / 1024 / sessions


def stall(load: Load, relay: Relay) -> tuple[float, float]:
    """Return the MiB by which memory grew while a browser read nothing, and the seconds until the stream stopped."""
    with load.sessions(relay, 1):
        before = relay.memory()
        began = time.monotonic()
        if not load.order("stall")["waiting"]:
            raise RuntimeError("nothing was sent to the stalled browser")
        most = 0
        while (elapsed := time.monotonic() - began) < STALL_SECONDS and most < STALL_STOP:
            most = max(most, relay.memory() - before)
            time.sleep(0.05)
    return most / MIB, elapsed


def check_limit(name: str, ratio: float) -> LimitCheck | None:
    """Return whether the ratio keeps its limit; None for a figure without one."""
    _, sign, limit = LIMITS[name]
    if limit is None:
        return None
    return LimitCheck(f"{name} {sign} {limit} x websockify's, but was {ratio:.2f} x", _is_met(ratio, sign, limit))


def _is_met(ratio: float, sign: str, limit: float) -> bool:
    return ratio >= limit if sign == ">=" else ratio <= limit


def report(figures: dict[str, dict[str, list[float]]], ratios: dict[str, list[float]]) -> Report:
    lines = [
        "| figure | plain TCP | websockify | Podesk | Podesk / websockify (spread) | limit |",
        "|---|---|---|---|---|---|",
    ]
    checks = []
    for name, (unit, sign, limit) in LIMITS.items():
        cells = [statistics.median(figures[name][stack]) for stack in ("plain TCP", "websockify", "Podesk")]
        shown = [f"{cell:.3g} {unit}" if cell else "-" for cell in cells]
        every = sorted(ratios[name])
        ratio = statistics.median(every)
        spread = f"{ratio:.2f} ({every[0]:.2f} - {every[-1]:.2f})"
        check = check_limit(name, ratio)
        lines.append(
            f"| {name} | {' | '.join(shown)} | {spread} | {f'{sign} {limit} {check.verdict}' if check else ''} |"
        )
        checks += [check] if check else []
    return Report("relay", lines, checks)


def stalled(theirs: tuple[float, float], own: float) -> tuple[str, LimitCheck]:
    """Return the cells and the result of the stall test. `theirs`: MiB, and seconds until the stream was stopped."""
    check = LimitCheck(
        f"at most {STALL_LIMIT} MiB more while a browser reads nothing, but grew by {own:.1f}", own <= STALL_LIMIT
    )
    cells = f"- | {theirs[0]:.0f} MiB after {theirs[1]:.1f} s | {own:.1f} MiB | | <= {STALL_LIMIT} MiB {check.verdict}"
    return f"| growth, browser stalled {STALL_SECONDS} s | {cells} |", check


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--skip-stall", action="store_true")
    options = parser.parse_args()
    refuse_without_tools("relay")
    with contextlib.suppress(PermissionError):
        os.nice(-10)  # for all parts, to reduce the effect of other work on the machine
    with tempfile.TemporaryDirectory(prefix="podesk-bench-") as folder, staged(Path(folder)) as (load, relays):
        _, peer, ours = relays
        found = report(*rounds(load, relays, options.rounds))
        theirs, mine = idle(load, peer), idle(load, ours)
        found.lines.append(
            f"| memory per idle session, 200 | - | {theirs:.0f} KiB | {mine:.0f} KiB | {mine / theirs:.3f} | |"
        )
        if not options.skip_stall:
            line, check = stalled(stall(load, peer), stall(load, ours)[0])
            found.lines.append(line)
            found.checks.append(check)
    return publish(found, options.rounds)


if __name__ == "__main__":
    sys.exit(main())
