"""CPU and memory of all desktops are sampled with one call and one statement, and summed up per run."""

from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from structlog.testing import capture_logs

from core.redis import client, key
from desktops.lifecycle import usage_samples
from desktops.lifecycle.usage_upsert import SQLITE, usage_upsert
from desktops.models import Desktop, DesktopRun, RunUsage, Status
from desktops.models.usage_histogram import ERROR, bucket_of
from desktops.runtimes.base import Phase, Usage

NOW = timezone.now()
MIB = 2**20


@pytest.fixture
def running(make_desktop, alice):
    """Return a function that makes desktops that have just become ready."""

    def make(count: int) -> list[Desktop]:
        desktops = [make_desktop(alice, name=f"d{n}", status=Status.STARTING) for n in range(count)]
        for desktop in desktops:
            desktop.move(to=Status.RUNNING, started_at=NOW)
        DesktopRun.objects.update(ready_at=NOW)
        return desktops

    return make


def use(cpu: float, memory_mib: float = 100) -> Usage:
    return Usage(cpu, memory_mib, None, None)


def record(desktop: Desktop, usage: Usage, seconds: float) -> RunUsage:
    usage_samples.record({desktop.object_name: usage}, at=NOW + timedelta(seconds=seconds))
    return RunUsage.objects.get(run__desktop_id=desktop.pk)


def test_samples_are_summed_up(running):
    [desktop] = running(1)
    record(desktop, use(1, 100), 60)
    row = record(desktop, use(3, 300), 120)
    assert (row.samples, row.cpu_mean, row.cpu_max, row.memory_mean, row.memory_max) == (2, 2, 3, 200, 300)
    assert row.cpu_seconds == pytest.approx(60 * 1 + 60 * 3)
    assert row.memory_byte_seconds == pytest.approx((60 * 100 + 60 * 300) * MIB)
    assert row.cpu_p95 == pytest.approx(3, rel=ERROR)
    assert row.cpu_p95 <= row.cpu_max


def test_p95_is_not_the_maximum(running):
    [desktop] = running(1)
    for number in range(100):
        row = record(desktop, use(4 if number == 50 else 0.5, 1000), 60 * number)
    assert row.cpu_max == 4
    assert row.cpu_p95 == pytest.approx(0.5, rel=ERROR)
    assert row.memory_p95 == pytest.approx(1000, rel=ERROR)


def test_a_gap_adds_no_more_than_two_intervals(running):
    [desktop] = running(1)
    record(desktop, use(1), 60)
    assert record(desktop, use(1), 3600).cpu_seconds == pytest.approx(60 + 120)


def test_only_runs_that_are_ready_and_have_not_ended(running, make_desktop, alice):
    [ended] = running(1)
    ended.move(to=Status.FAILED, reason="vanished")
    starting = make_desktop(alice, name="starting", status=Status.STARTING)
    usage_samples.record({each.object_name: use(1) for each in (ended, starting)}, at=NOW)
    assert not RunUsage.objects.exists()


def test_a_restart_begins_new_sums(running):
    [desktop] = running(1)
    record(desktop, use(1), 60)
    desktop.move(to=Status.STOPPING, reason="restart", restarting=True)
    desktop.move(to=Status.PENDING, run=2, event="queued")
    desktop.move(to=Status.STARTING)
    desktop.move(to=Status.RUNNING)
    usage_samples.record({desktop.object_name: use(2)}, at=NOW + timedelta(seconds=120))
    assert [row.cpu_max for row in RunUsage.objects.order_by("run__run")] == [1, 2]


def test_runs_keep_their_own_samples(running):
    desktops = running(3)
    for number in (1, 2):
        used = {each.object_name: use(n * number, 100 * n) for n, each in enumerate(desktops)}
        usage_samples.record(used | {"vnc-another": use(9)}, at=NOW + timedelta(seconds=60 * number))
    rows = RunUsage.objects.order_by("run__desktop_name")
    assert [(row.cpu_mean, row.cpu_max, row.memory_mean) for row in rows] == [(0, 0, 0), (1.5, 2, 100), (3, 4, 200)]


def test_histograms_hold_each_sample(running):
    [desktop] = running(1)
    for number, cpu in enumerate((0.001, 0.5, 0.5, 4)):
        row = record(desktop, use(cpu, 1000), 60 * number)
    assert row.cpu_histogram == Counter(str(bucket_of(cpu)) for cpu in (0.001, 0.5, 0.5, 4))
    assert row.memory_histogram == {str(bucket_of(1000)): 4}


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL chooses its plan by the number of rows")
@pytest.mark.django_db
def test_sqlite_looks_each_sample_up_by_an_index():
    parameters = {"samples": "[]", "at": str(NOW), "longest": 120.0}
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {usage_upsert(SQLITE)}", parameters)
        plan = [row[-1] for row in cursor.fetchall()]
    assert [line for line in plan if line.startswith("SCAN")] == ["SCAN json_each VIRTUAL TABLE INDEX 1:"]


@pytest.mark.django_db(transaction=True)
def test_percentiles_of_older_rows_are_kept(running):
    """Run the real migration on a row of the previous version, which has its percentile in a column."""
    [desktop] = running(1)
    before, leaf = [("desktops", "0021_storage_periods")], MigrationExecutor(connection).loader.graph.leaf_nodes()
    row = {"run_id": DesktopRun.objects.get().pk, "sampled_at": NOW, "samples": 3, "cpu_max": 2}
    try:
        MigrationExecutor(connection).migrate(before)
        old = MigrationExecutor(connection).loader.project_state(before).apps.get_model("desktops", "RunUsage")
        old.objects.create(**row, cpu_p95=2, cpu_histogram=Counter(str(bucket_of(cpu)) for cpu in (0.5, 0.5, 2)))
    finally:
        MigrationExecutor(connection).migrate(leaf)
    assert RunUsage.objects.get().cpu_p95 == pytest.approx(2, rel=ERROR)
    assert record(desktop, use(1), 60).samples == 4


@pytest.mark.parametrize("count", [1, 50])
def test_queries_and_calls_are_constant(running, scripted_runtime, django_assert_num_queries, count):
    scripted_runtime.used = {desktop.object_name: use(1) for desktop in running(count)}
    for _ in range(2):  # the first round inserts, the second updates
        client().delete(key("usage-sampled"))
        with django_assert_num_queries(1):
            usage_samples.sample()
    assert scripted_runtime.calls == [("usage_of_all", "")] * 2
    assert set(RunUsage.objects.values_list("samples", flat=True)) == {2}
    assert RunUsage.objects.count() == count


def test_once_per_interval(running, scripted_runtime):
    scripted_runtime.used = {running(1)[0].object_name: use(1)}
    for _ in range(3):
        usage_samples.sample()
    assert RunUsage.objects.get().samples == 1


def test_zero_takes_no_samples(scripted_runtime, settings):
    settings.USAGE_SAMPLE_SECONDS = 0
    usage_samples.sample()
    assert scripted_runtime.calls == []


def test_metrics_that_are_not_available_are_logged_once_and_never_as_a_warning(running, scripted_runtime):
    running(1)
    scripted_runtime.unavailable = True
    with capture_logs() as entries:
        for _ in range(3):
            client().delete(key("usage-sampled"))
            usage_samples.sample()
    assert [(entry["event"], entry["log_level"]) for entry in entries] == [("usage_not_sampled", "info")]
    assert not RunUsage.objects.exists()


def test_the_leading_controller_takes_them(make_desktop, alice, controlled, scripted_runtime, wait_for, settings):
    settings.USAGE_SAMPLE_SECONDS = 1
    desktop = make_desktop(alice, status=Status.STARTING)
    scripted_runtime.used = {desktop.object_name: use(0.5)}
    scripted_runtime.sees(desktop, Phase.READY)
    assert wait_for(lambda: RunUsage.objects.filter(samples__gt=1).first()).cpu_mean == 0.5
