"""Launches are counted once, when they have ended, with their phases; jobs with their result."""

from datetime import timedelta

import django_rq
import pytest
from django.utils import timezone
from prometheus_client import REGISTRY

from desktops.lifecycle import jobs, queue, reconcile
from desktops.lifecycle.worker import Worker
from desktops.models import Desktop, DesktopEvent, Status
from desktops.runtimes.base import Observed, Phase, VNCEndpoint
from tests.support.metrics import value


@pytest.fixture
def see(django_capture_on_commit_callbacks):
    """Return a function that reconciles a desktop with an observation."""

    def reconciled(desktop: Desktop, phase: Phase, **fields) -> None:
        endpoint = VNCEndpoint("unix", "/run/a.sock") if phase == Phase.READY else None
        seen = Observed(
            name=desktop.object_name,
            desktop_id=str(desktop.pk),
            phase=phase,
            run=desktop.run,
            **{"endpoint": endpoint} | fields,
        )
        with django_capture_on_commit_callbacks(execute=True):
            reconcile.reconcile_desktop(desktop, seen)

    return reconciled


def launches(result: str, reason: str = "") -> float:
    return value("podesk_launches_total", result=result, reason=reason)


def test_a_launch_that_succeeds_is_counted_once_with_its_phases(make_desktop, alice, see):
    queued = timezone.now() - timedelta(seconds=60)
    desktop = make_desktop(alice, status=Status.STARTING, status_since=queued)
    DesktopEvent.write(desktop, "queued", at=queued)
    before, sums = launches("ready"), [_sum("created"), _sum("pulled")]
    steps = {"created": queued + timedelta(seconds=2), "pulled": queued + timedelta(seconds=42)}
    see(desktop, Phase.READY, steps=steps)
    see(Desktop.objects.get(pk=desktop.pk), Phase.READY, steps=steps)
    assert launches("ready") == before + 1
    assert [_sum("created") - sums[0], _sum("pulled") - sums[1]] == [2, 40]
    assert value("podesk_launch_seconds_sum") >= 60


def _sum(phase: str) -> float:
    return value("podesk_launch_phase_seconds_sum", phase=phase)


def test_a_launch_that_another_controller_ended_is_not_counted(make_desktop, alice, see):
    desktop = make_desktop(alice, status=Status.STARTING)
    Desktop.objects.get(pk=desktop.pk).move(to=Status.STOPPING)
    before = launches("ready")
    see(desktop, Phase.READY)
    assert launches("ready") == before


@pytest.mark.parametrize(
    ("given", "counted"),
    [("image_not_found", "image_not_found"), ("vnc-alice-1 is odd", "other"), ("", "start_failed")],
)
def test_a_failed_launch_has_its_reason_and_nothing_that_a_cluster_invents(make_desktop, alice, see, given, counted):
    before = launches("failed", counted)
    see(make_desktop(alice, status=Status.STARTING), Phase.FAILED, reason=given)
    assert launches("failed", counted) == before + 1


def test_a_first_failure_of_any_reason_is_an_increase():
    """Prometheus needs a value before the failure."""
    for labels in ({"result": "ready", "reason": ""}, {"result": "failed", "reason": "namespace_missing"}):
        assert REGISTRY.get_sample_value("podesk_launches_total", labels) is not None


def test_a_desktop_that_fails_while_it_runs_is_no_failed_launch(make_desktop, alice, see):
    before = launches("failed", "evicted"), value("podesk_desktop_failures_total", reason="evicted")
    see(make_desktop(alice, status=Status.RUNNING), Phase.FAILED, reason="evicted")
    assert launches("failed", "evicted") == before[0]
    assert value("podesk_desktop_failures_total", reason="evicted") == before[1] + 1


def unknown_work(argument: str) -> None:
    raise RuntimeError(argument)


def test_jobs_are_counted_by_name_and_result(transactional_db, runtime, wait_for):
    done = {"function": "start_desktop", "result": "done"}
    failed = {"function": "other", "result": "failed"}
    before = [value("podesk_job_seconds_count", **labels) for labels in (done, failed)]
    queue.enqueue_after_commit(jobs.start_desktop, "00000000-0000-0000-0000-000000000000")
    queue.enqueue_after_commit(unknown_work, "1")
    Worker([django_rq.get_queue("desktops")], connection=django_rq.get_connection("desktops")).work(burst=True)
    after = [value("podesk_job_seconds_count", **labels) for labels in (done, failed)]
    assert after == [before[0] + 1, before[1] + 1]
