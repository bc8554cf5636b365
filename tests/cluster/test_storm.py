"""60 users press Launch at once: each gets one pod, each row matches its pod, and no worker waits for a pod."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.cluster.postgres import logging_postgres
from bench.cluster.records import Job
from bench.cluster.storm import WORKERS, RunLogs, Slice
from tests.support.cluster.parallel_launches import Crowd, more
from tests.support.cluster.podesk_outside import Driven, driving
from tests.support.running_podesk import wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.alone]
PEOPLE, FITTING = 60, 2
# Seconds that a job may occupy a worker besides its calls to the cluster, for its row, its lock and its turn: the
# maximum and the median, on two cores for 60 launches. A job that waits for its pod would exceed the median by far.
MARGIN, USUAL_MARGIN = 3.0, 0.25


@pytest.fixture(scope="module")
def storm(kube, tmp_path_factory) -> Iterator[tuple[Driven, RunLogs]]:
    """Yield a portal with four workers, and its logs."""
    folder: Path = tmp_path_factory.mktemp("postgres")
    with (
        logging_postgres(folder) as postgres,
        driving(kube, LOG_LEVEL="DEBUG", LOG_FORMAT="json") as driven,
        more(driven.portal, "rqworker", WORKERS - 1) as workers,
    ):
        yield driven, RunLogs(driven, workers, postgres)


def test_storm(storm, capsys):
    driven, logs = storm
    crowd = Crowd(driven, PEOPLE, FITTING)
    logs.since_last_look()
    crowd.launch()
    wait_for(lambda: len(driven.pods()) == PEOPLE, 300)
    wait_for(lambda: not crowd.disagreements(), 300)
    launches = logs.since_last_look()
    where = sorted(crowd.rows().values())
    assert where == [("running", "")] * FITTING + [("starting", "unschedulable")] * (PEOPLE - FITTING)
    assert set(crowd.pods_per_desktop().values()) == {1}
    crowd.delete()
    wait_for(lambda: not crowd.rows(), 300)
    wait_for(lambda: not driven.objects(), 300)
    deletions = logs.since_last_look()
    with capsys.disabled():
        print("", costs("launch", launches), costs("deletion", deletions), sep="\n")
    jobs = launches.workers.jobs + deletions.workers.jobs
    assert Counter(job.work for job in launches.workers.jobs)["start_desktop"] >= PEOPLE
    assert not [job for job in jobs if beyond(job) > MARGIN]
    assert sorted(map(beyond, jobs))[len(jobs) // 2] < USUAL_MARGIN


def beyond(job: Job) -> float:
    """Return the seconds that the job occupied a worker without waiting for the cluster."""
    return job.seconds - job.calls


def costs(what: str, logs: Slice) -> str:
    calls = {"workers": logs.workers.calls, "controller": logs.controller.calls}
    asked = {who: logs.statements[who] for who in ("web", "worker", "controller")}
    longest = max(logs.workers.jobs, key=beyond)
    return (
        f"per {what}: cluster calls {_each({who: kinds.total() for who, kinds in calls.items()})};"
        f" database queries {_each(asked)};"
        f" a job held its worker at most {beyond(longest):.2f} s beyond its calls ({longest.work})"
    )


def _each(counts: dict[str, int]) -> str:
    parts = ", ".join(f"{who} {count / PEOPLE:.2f}" for who, count in counts.items())
    return f"{sum(counts.values()) / PEOPLE:.2f} ({parts})"
