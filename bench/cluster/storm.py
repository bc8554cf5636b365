"""Measure many launches at once, each by another user, with four workers, on a real cluster.

    KUBECONFIG=... python -m bench.cluster.storm [--people 200]

Starts all of Podesk as `./podesk run` does, three more workers, and a PostgreSQL that logs its statements; writes
bench/results/cluster-storm.md. Most desktops are too large for any node, a few run. The calls and statements are
counted from the logs of the processes. The idle minute is measured with ten desktops and with all.
Limit: one pod for each desktop.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.catalogue import refuse_without_tools
from bench.cluster.launch import namespace
from bench.cluster.postgres import logging_postgres
from bench.cluster.records import Job, Log, LogRecords, statements
from bench.report import LimitCheck, Report, ms, publish
from tests.support.cluster.parallel_launches import Crowd, Person, more
from tests.support.cluster.podesk_outside import Driven, driving
from tests.support.running_podesk import wait_for

WORKERS, FEW, FITTING = 4, 10, 2
LONGEST = 600.0  # seconds until rows and cluster must agree


@dataclass
class Slice:
    """The log records between two reads."""

    seconds: float
    workers: LogRecords
    controller: LogRecords
    statements: Counter[str]

    def calls(self) -> Counter[str]:
        return self.workers.calls + self.controller.calls


class RunLogs:
    """All logs of one run."""

    def __init__(self, driven: Driven, workers: list[Path], postgres: Log) -> None:
        logs = driven.portal.data / "logs"
        self._workers = [Log(path) for path in (logs / "worker.log", *workers)]
        self._controller, self._postgres = Log(logs / "controller.log"), postgres
        self._looked = time.monotonic()

    def since_last_look(self) -> Slice:
        time.sleep(1)  # the last events may not be written yet
        workers, controller = LogRecords(), LogRecords()
        for log in self._workers:
            workers.add(log.lines())
        controller.add(self._controller.lines())
        now = time.monotonic()
        seconds, self._looked = now - self._looked, now
        return Slice(seconds, workers, controller, statements(self._postgres.new()))


class Storm:
    def __init__(self, crowd: Crowd, logs: RunLogs) -> None:
        self._crowd, self._logs = crowd, logs

    def launch(self, people: list[Person]) -> dict[str, float]:
        """Return the seconds from the first click until all are answered, have a pod, and have a row that fits it."""
        began, times = time.monotonic(), {}
        self._crowd.launch(people)
        times["all clicks answered"] = time.monotonic() - began
        wait_for(lambda: len(self._crowd.driven.pods()) == len(people), LONGEST)
        times["a pod for each"] = time.monotonic() - began
        wait_for(lambda: not self._crowd.disagreements(), LONGEST)
        times["every row matches its pod"] = time.monotonic() - began
        return times

    def delete(self, people: list[Person]) -> dict[str, float]:
        began, times = time.monotonic(), {}
        self._crowd.delete(people)
        times["all deletions answered"] = time.monotonic() - began
        wait_for(lambda: not self._crowd.rows(), LONGEST)
        times["all rows gone"] = time.monotonic() - began
        wait_for(lambda: not self._crowd.driven.objects(), LONGEST)
        times["nothing left in the cluster"] = time.monotonic() - began
        return times

    def idle(self) -> Slice:
        self._logs.since_last_look()
        time.sleep(60)
        return self._logs.since_last_look()


def measure(driven: Driven, logs: RunLogs, people: int) -> Report:
    crowd = Crowd(driven, people, FITTING)
    storm = Storm(crowd, logs)
    few = crowd.people[-FEW:]
    storm.launch(few)
    calm = storm.idle()
    storm.delete(few)
    logs.since_last_look()
    times = storm.launch(crowd.people)
    during = logs.since_last_look()
    ran = Counter(status for status, _ in crowd.rows().values())
    each = Counter(crowd.pods_per_desktop().values())
    busy = storm.idle()
    ends = storm.delete(crowd.people)
    after = logs.since_last_look()
    lines = [f"{people} people, {ran['running']} desktops run, {ran['starting']} wait for room.", ""]
    check = one_pod_each(each, people)
    lines += [*_outcome(each, during), f"Limit: {check.what}: {check.verdict}.", "", *_times(times | ends)]
    lines += _jobs(during.workers.jobs + after.workers.jobs)
    lines += _costs(during, after, people) + _idle(calm, busy, people)
    return Report("cluster.storm", lines, [check])


def one_pod_each(pods: Counter[int], people: int) -> LimitCheck:
    """Check the number of desktops by their number of pods."""
    return LimitCheck("one pod for each desktop", pods == {1: people})


def _outcome(pods: Counter[int], during: Slice) -> list[str]:
    made = during.workers.calls["POST pods"]
    return [f"Desktops by number of their pods: {dict(pods)}. Pods requested: {made}.", ""]


def _times(times: dict[str, float]) -> list[str]:
    rows = [f"| {step} | {seconds:.1f} s |" for step, seconds in times.items()]
    return ["| from the first click until | |", "|---|---|", *rows, ""]


def _jobs(jobs: list[Job]) -> list[str]:
    lines = ["| job | number | calls each | time in a worker | of it, cluster calls | the rest: row, lock, queue |"]
    lines.append("|---|---|---|---|---|---|")
    for work in sorted({job.work for job in jobs}):
        done = [job for job in jobs if job.work == work]
        parts = ([job.seconds for job in done], [job.calls for job in done], [job.seconds - job.calls for job in done])
        calls = statistics.mean(job.count for job in done)
        cells = " | ".join(f"{ms(statistics.median(part))}, longest {ms(max(part))}" for part in parts)
        lines.append(f"| {work} | {len(done)} | {calls:.1f} | {cells} |")
    return [*lines, ""]


def _costs(during: Slice, after: Slice, people: int) -> list[str]:
    lines = ["| per desktop | launch | deletion |", "|---|---|---|"]
    for who in ("workers", "controller"):
        calls = [sum(getattr(part, who).calls.values()) / people for part in (during, after)]
        lines.append(f"| cluster calls, {who} | {calls[0]:.2f} | {calls[1]:.2f} |")
    for who in ("web", "worker", "controller"):
        asked = [part.statements[who] / people for part in (during, after)]
        lines.append(f"| database statements, {who} | {asked[0]:.1f} | {asked[1]:.1f} |")
    put_off = [part.workers.repeated + part.controller.repeated for part in (during, after)]
    lines.append(f"| calls that the API delayed, all | {put_off[0]} | {put_off[1]} |")
    kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(during.calls().items()))
    return [*lines, "", f"Calls of all launches: {kinds}.", ""]


def _idle(calm: Slice, busy: Slice, people: int) -> list[str]:
    lines = [f"| one idle minute | {FEW} desktops | {people} desktops |", "|---|---|---|"]
    calls = [f"{sum(part.calls().values()) * 60 / part.seconds:.0f}" for part in (calm, busy)]
    lines.append(f"| cluster calls | {' | '.join(calls)} |")
    for who in ("web", "worker", "controller"):
        asked = [f"{part.statements[who] * 60 / part.seconds:.0f}" for part in (calm, busy)]
        lines.append(f"| database statements, {who} | {' | '.join(asked)} |")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=200)
    people = int(parser.parse_args().people)
    refuse_without_tools("cluster.storm")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="podesk-storm-")))
        postgres = stack.enter_context(logging_postgres(folder))
        kube = stack.enter_context(namespace())
        driven = stack.enter_context(driving(kube, LOG_LEVEL="DEBUG", LOG_FORMAT="json"))
        workers = stack.enter_context(more(driven.portal, "rqworker", WORKERS - 1))
        try:
            found = measure(driven, RunLogs(driven, workers, postgres), people)
        except AssertionError:
            print(driven.evidence(), file=sys.stderr)
            raise
    return publish(found, 1)


if __name__ == "__main__":
    sys.exit(main())
