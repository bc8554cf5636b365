"""Compare the REST API with a bare Django view: GET of a desktop, with the same JSON, in one run.

    python -m bench.api [--rounds 9]

Starts PostgreSQL, Redis and one web process as in production, takes about ten minutes, and writes
bench/results/api.md. Needs Debian's postgresql and apache2-utils. The bare view is on the same server, behind the same
middleware. ApacheBench requests both over 50 persistent connections. Each round measures bare, API, API, bare; the
ratio of a round compares the sums of both; the table shows medians. Limit: at most 1.6 x. Then it measures
`POST pods/create`: with a desktop that already exists, and by users who each create their first one. No worker runs,
because only the web process is measured.

Round trips are counted separately from the timing, from PostgreSQL's log of statements and Redis's count of reads.
"""

import contextlib
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench.api.newcomers import Newcomers
from bench.api.stage import Stage, staged
from bench.catalogue import refuse_without_tools
from bench.report import LimitCheck, Report, publish, rounds_asked
from tests.support.apache_bench import Answers, ab

LIMIT = 1.6
AT_ONCE = 50
READS, CREATES, FIRST_ONES, COUNTED = 3000, 1500, 400, 200  # requests per measurement


@dataclass(frozen=True)
class Cost:
    """The cost of one request."""

    statements: float
    redis_trips: float
    redis_commands: float


class BenchClient:
    def __init__(self, stage: Stage, folder: Path) -> None:
        self._stage = stage
        self._body = folder / "body.json"
        self._body.write_text('{"resource_quota": {"cpu": "1", "memory": "1Gi"}}')
        self._header = f"X-User-Token: {stage.token}"
        self.first = Newcomers(stage.url, stage.newcomers).create

    def bare(self, requests: int, at_once: int = AT_ONCE) -> Answers:
        return self._ask("/bare/", "-H", self._header, requests=requests, at_once=at_once)

    def status(self, requests: int, at_once: int = AT_ONCE) -> Answers:
        return self._ask(f"/api/v1/pods/{self._stage.pod}", "-H", self._header, requests=requests, at_once=at_once)

    def create(self, requests: int, at_once: int = AT_ONCE) -> Answers:
        posted = ("-p", str(self._body), "-T", "application/json", "-H", self._header)
        return self._ask("/api/v1/pods/create", *posted, requests=requests, at_once=at_once)

    def copy_answer(self) -> None:
        """Make the bare view return the current answer of the API."""
        url = f"{self._stage.url}/api/v1/pods/{self._stage.pod}"
        answer = httpx.get(url, headers={"X-User-Token": self._stage.token})
        assert answer.status_code == 200, answer.text  # noqa: S101
        self._stage.answer.write_text(answer.text)
        bare = httpx.get(f"{self._stage.url}/bare/")
        assert bare.json() == answer.json()  # noqa: S101

    def _ask(self, path: str, *options: str, requests: int, at_once: int) -> Answers:
        found = ab(self._stage.url + path, "-k", *options, requests=requests, at_once=at_once)
        assert (found.failed, found.other_than_2xx) == (0, 0), found.said  # noqa: S101
        return found


def cost(stage: Stage, ask: Callable[[int, int], Answers]) -> Cost:
    """Measure requests one after another, so that they cannot share a round trip."""
    ask(COUNTED, 1)
    statements = stage.database.trips(lambda: ask(COUNTED, 1))
    before = stage.redis.info("stats")
    ask(COUNTED, 1)
    after = stage.redis.info("stats")
    trips, commands = (
        (after[name] - before[name] - 1) / COUNTED  # INFO itself is one
        for name in ("total_reads_processed", "total_commands_processed")
    )
    return Cost(statements / COUNTED, trips, commands)


@dataclass
class Measured:
    bare: list[Answers]
    status: list[Answers]
    create: list[Answers]
    first: list[Answers]
    ratios: list[float]


def measure(client: BenchClient, rounds: int) -> Measured:
    found = Measured([], [], [], [], [])
    for number in range(rounds + 1):  # the first round is a warm-up
        bare, status, again, last = client.bare(READS), client.status(READS), client.status(READS), client.bare(READS)
        create, first = client.create(CREATES), client.first(FIRST_ONES, AT_ONCE)
        ratio = (1 / status.per_second + 1 / again.per_second) / (1 / bare.per_second + 1 / last.per_second)
        print(
            f"round {number}: {ratio:.2f}, create {create.per_second:.0f}/s, {first.per_second:.0f}/s", file=sys.stderr
        )
        if number:
            found.bare += [bare, last]
            found.status += [status, again]
            found.create.append(create)
            found.first.append(first)
            found.ratios.append(ratio)
    return found


def row(what: str, every: list[Answers], cost: Cost) -> str:
    rate = statistics.median(each.per_second for each in every)
    half, slowest = (statistics.median(each.milliseconds[percent] for each in every) for percent in (50, 99))
    trips = f"{cost.statements:.1f} | {cost.redis_trips:.1f} ({cost.redis_commands:.1f})"
    return f"| {what} | {rate:.0f} | {half:.1f} ms | {slowest:.1f} ms | {trips} |"


def report(found: Measured, costs: dict[str, Cost]) -> Report:
    ratio, every = statistics.median(found.ratios), sorted(found.ratios)
    check = LimitCheck(
        f"GET pods/<pod_name> at most {LIMIT} x the bare view's time, but took {ratio:.2f} x", ratio <= LIMIT
    )
    lines = [
        "| 50 connections | requests per second | p50 | p99 | database trips | Redis trips (commands) |",
        "|---|---|---|---|---|---|",
        row("bare Django view, the same JSON", found.bare, costs["bare"]),
        row("`GET pods/<pod_name>`", found.status, costs["status"]),
        row("`POST pods/create`, the desktop exists", found.create, costs["create"]),
        row("`POST pods/create`, first desktop of a user", found.first, costs["first"]),
        "",
        f"Time of `GET pods/<pod_name>` to the bare view's: {ratio:.2f} ({every[0]:.2f} - {every[-1]:.2f}). "
        f"Limit: at most {LIMIT}: {check.verdict}.",
        "",
        "Trips are per request. Database trips count BEGIN and COMMIT, and the checks of pooled connections.",
    ]
    return Report("api", lines, [check])


def main() -> int:
    rounds = rounds_asked(__doc__, 9)
    refuse_without_tools("api")
    people = (rounds + 1) * FIRST_ONES + 3 * COUNTED
    with contextlib.suppress(PermissionError):
        os.nice(-10)  # for all parts, to reduce the effect of other work on the machine
    with tempfile.TemporaryDirectory(prefix="podesk-bench-") as made, staged(Path(made), newcomers=people) as stage:
        client = BenchClient(stage, Path(made))
        client.copy_answer()
        asks = {"bare": client.bare, "status": client.status, "create": client.create, "first": client.first}
        costs = {name: cost(stage, ask) for name, ask in asks.items()}
        print(costs, file=sys.stderr)
        found = measure(client, rounds)
    return publish(report(found, costs), rounds)


if __name__ == "__main__":
    sys.exit(main())
