"""All benchmarks are listed, report a missed limit by exit status, and name missing tools. Nothing is measured."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import bench.api.__main__ as api
import bench.backup.__main__ as backup
import bench.cluster.launch as cluster_launch
import bench.cut.__main__ as cut
import bench.launch.__main__ as launch
import bench.metrics.__main__ as metrics
import bench.overview.__main__ as overview
import bench.relay.__main__ as relay
import bench.usage.__main__ as usage
from bench import needs
from bench import report as reports
from bench.backup import keystrokes
from bench.catalogue import BENCHMARKS, BY_NAME
from bench.cluster import storm
from bench.report import Report
from bench.usage.stage import CpuSeconds
from podesk_cli.folders import CHECKOUT
from tests.support.apache_bench import Answers

pytestmark = pytest.mark.once
ALL = pytest.mark.parametrize("name", BY_NAME)


def of_api(factor: float) -> Report:
    answers = [Answers(1, 0, 0, 100.0, {50: 1.0, 90: 1.0, 95: 1.0, 99: 1.0}, "")]
    found = api.Measured(answers, answers, answers, answers, [api.LIMIT * factor])
    return api.report(found, dict.fromkeys(("bare", "status", "create", "first"), api.Cost(1, 1, 1)))


def of_backup(factor: float) -> Report:
    seconds = {"first backup": 10.0, "second backup": 10 * backup.SECOND * factor,
               "tar -x": 1.0, "restore": backup.RESTORE * factor}  # fmt: skip
    return backup.report(backup.Times({what: [value] for what, value in seconds.items()}), 10_000, 2**30)


def of_keystrokes(factor: float) -> Report:
    quiet, busy = ([[seconds] * 3] for seconds in (0.01, 0.01 * keystrokes.LIMIT * factor))
    return keystrokes.report(keystrokes.Typing(keystrokes.Latency(quiet), keystrokes.Latency(busy)))


def of_cut(factor: float) -> Report:
    return cut.report([cut.LIMIT * factor], [0.001])


def of_launch(factor: float) -> Report:
    limit = launch.FACTOR * 0.1 + launch.EXTRA
    return launch.report([0.1], [{"answered": 0.01, "first pixels": limit * factor}])


def of_metrics(factor: float) -> Report:
    cpu = {"bare": [0.001], "controller": [metrics.LIMIT * factor]}
    return metrics.report(metrics.Figures(dict.fromkeys(cpu, 100), cpu, [0.01]))


def of_overview(factor: float) -> Report:
    return overview.report([(overview.LIMIT * factor, 1.0)])


def of_cluster_launch(factor: float) -> Report:
    limit = cluster_launch.FACTOR * 2 + cluster_launch.EXTRA
    steps = {step: 1.0 for step in cluster_launch.STEPS if step}
    return cluster_launch.report([steps | {"first pixels": 2.0}] * 2, [steps | {"first pixels": limit * factor}] * 2)


def of_storm(factor: float) -> Report:
    check = storm.one_pod_each(Counter({1: 200} if factor <= 1 else {1: 199, 2: 1}), 200)
    return Report("cluster.storm", [check.verdict], [check])


def of_relay(factor: float) -> Report:
    """Return a report with each figure a little within its limit, or with the first one beyond it."""
    figures = {name: {stack: [1.0] for stack in ("plain TCP", "websockify", "Podesk")} for name in relay.LIMITS}
    inside = {">=": 1.01, "<=": 0.99}
    ratios = {name: [(limit or 1.0) * inside[sign]] for name, (_, sign, limit) in relay.LIMITS.items()}
    if factor > 1:
        ratios["down, 1 session"] = [0.5]
    return relay.report(figures, ratios)


def of_usage(factor: float) -> Report:
    floor = usage.LIMIT / usage.RATIO
    sampled = CpuSeconds(floor * usage.RATIO * factor, 0.3)
    return usage.report(usage.Figures([sampled], [CpuSeconds(floor, 0.1)], 1, 20.0))


REPORTS = {
    "api": of_api,
    "backup": of_backup,
    "backup.keystrokes": of_keystrokes,
    "cut": of_cut,
    "launch": of_launch,
    "metrics": of_metrics,
    "overview": of_overview,
    "relay": of_relay,
    "usage": of_usage,
    "cluster.launch": of_cluster_launch,
    "cluster.storm": of_storm,
}


@pytest.fixture
def results(monkeypatch, tmp_path) -> Path:
    monkeypatch.setattr(reports, "RESULTS", tmp_path)
    return tmp_path


@ALL
def test_a_hold_that_is_missed_is_an_exit_status_and_said(name, results, capsys):
    assert reports.publish(REPORTS[name](1.1), 1) == reports.MISSED
    assert "missed: " in capsys.readouterr().err
    (written,) = results.glob("*.md")
    assert "**missed**" in written.read_text()


@ALL
def test_one_that_holds_ends_well(name, results, capsys):
    assert reports.publish(REPORTS[name](0.9), 1) == 0
    assert "missed" not in "".join(capsys.readouterr())


def test_the_relays_memory_is_held_too(results):
    line, check = relay.stalled((400.0, 3.0), relay.STALL_LIMIT + 1)
    assert "**missed**" in line
    assert reports.publish(Report("relay", [line], [check]), 1) == reports.MISSED


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    plain = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=CHECKOUT, env=plain | environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("api", "bench.api needs ab: apt-get install apache2-utils"),
        ("launch", "bench.launch needs Xvnc: apt-get install tigervnc-standalone-server"),
        ("cut", "bench.cut needs Xvnc: apt-get install tigervnc-standalone-server"),
        ("cluster.launch", "bench.cluster.launch needs kubectl: "),
        ("cluster.storm", "bench.cluster.storm needs KUBECONFIG: "),
    ],
)
def test_a_missing_tool_is_a_sentence_and_no_traceback(name, said, tmp_path):
    done = python("-m", f"bench.{name}", PATH=str(tmp_path))
    assert done.returncode == needs.MISSING, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_server_is_named_with_its_package(monkeypatch, tmp_path):
    monkeypatch.setattr(needs, "POSTGRES", tmp_path)
    assert needs.missing(["PostgreSQL"]) == {"PostgreSQL": "apt-get install postgresql"}


def test_missing_python_packages_are_named(tmp_path):
    """Run the checkout with a Python that has no packages."""
    done = python("-S", "-m", "bench", PYTHONPATH="")
    assert done.returncode == 1
    assert "httpx" in done.stderr and "requirements-dev.txt" in done.stderr
    assert "Traceback" not in done.stderr


def test_all_are_listed_with_their_tools_and_holds():
    done = python("-m", "bench", PATH="/nonexistent")
    assert done.returncode == 0, done.stderr
    for each in BENCHMARKS:
        assert f"python -m bench.{each.name}\n" in done.stdout
        assert each.limit in done.stdout
    assert "ab (missing: apt-get install apache2-utils)" in done.stdout


def test_none_is_left_out():
    """Every module that can be run is in the catalogue."""
    folder = CHECKOUT / "bench"
    runnable = [each for each in folder.rglob("*.py") if '__name__ == "__main__"' in each.read_text()]
    names = {".".join(each.relative_to(folder).with_suffix("").parts).removesuffix(".__main__") for each in runnable}
    assert names - {"__main__", "relay.vnc_server", "relay.load"} == set(BY_NAME) == set(REPORTS)
