"""A failure is an error or a warning in the log once. What its owner causes, and what is already known, is neither."""

import logging

import pytest
from django.utils import timezone

from desktops.lifecycle import jobs, reconcile
from desktops.lifecycle.runs import fresh_run
from desktops.models import Desktop, Status, Volume
from desktops.runtimes.base import Observed, Phase, RuntimeFault

pytestmark = pytest.mark.django_db


@pytest.fixture
def levels(caplog):
    """Return a function that returns the levels of an event's lines in the log, in order."""
    caplog.set_level(logging.DEBUG)

    def found(event: str) -> list[str]:
        lines = [record for record in caplog.records if isinstance(record.msg, dict)]
        return [record.levelname for record in lines if record.msg["event"] == event]

    return found


def start(desktop: Desktop) -> None:
    """Try to start it, as a person does who clicks again and again."""
    Desktop.objects.filter(pk=desktop.pk).update(status=Status.PENDING, run=desktop.run, **fresh_run())
    jobs.start_desktop(str(desktop.pk))
    desktop.run += 1


def test_lost_files_are_a_warning_once(runtime, make_desktop, alice, levels):
    desktop = make_desktop(alice, status=Status.PENDING)
    Volume.objects.filter(pk=desktop.volume_id).update(used_at=timezone.now())
    for _ in range(3):
        start(desktop)
    assert levels("start_refused") == ["INFO"] * 3
    assert levels("volume_lost") == ["WARNING"]


def test_a_start_that_fails_again_is_an_error_once(scripted_runtime, make_desktop, alice, levels):
    desktop = make_desktop(alice, status=Status.PENDING)
    scripted_runtime.unstartable = RuntimeFault("admission_denied", "a rule")
    start(desktop)
    start(desktop)
    scripted_runtime.unstartable = RuntimeFault("image_not_found", "another reason")
    start(desktop)
    assert levels("start_refused") == ["ERROR", "INFO", "ERROR"]


def test_after_a_run_that_succeeded_it_is_an_error_again(scripted_runtime, make_desktop, alice, levels):
    desktop = make_desktop(alice, status=Status.PENDING)
    scripted_runtime.unstartable = RuntimeFault("admission_denied", "a rule")
    start(desktop)
    desktop.run += 1  # this one succeeds
    start(desktop)
    assert levels("start_refused") == ["ERROR", "ERROR"]


@pytest.mark.parametrize(
    ("reason", "level"), [("out_of_memory", "INFO"), ("temporary_full", "INFO"), ("crash_loop", "ERROR")]
)
def test_a_running_desktop_that_its_owner_ends(scripted_runtime, make_desktop, alice, levels, reason, level):
    desktop = make_desktop(alice, status=Status.RUNNING)
    seen = Observed(desktop.object_name, str(desktop.pk), desktop.run, Phase.FAILED, reason=reason)
    reconcile.reconcile_desktop(desktop, seen)
    assert levels("desktop_failed") == [level]


def test_a_start_that_is_postponed_again_and_again(scripted_runtime, make_desktop, alice, levels):
    desktop = make_desktop(alice, status=Status.PENDING)
    scripted_runtime.unstartable = RuntimeFault("admission_away", "no answer", permanent=False)
    for _ in range(3):
        jobs.start_desktop(str(desktop.pk))
    assert levels("start_put_off") == ["WARNING", "INFO", "INFO"]


def test_a_stop_that_is_refused_again_and_again(scripted_runtime, make_desktop, alice, levels):
    desktop = make_desktop(alice, status=Status.STOPPING)
    scripted_runtime.unstoppable = RuntimeFault("admission_denied", "a rule")
    for _ in range(3):
        jobs.stop_desktop(str(desktop.pk))
    assert levels("not_stopped") == ["WARNING", "INFO", "INFO"]


@pytest.mark.parametrize("reason", ["admission_denied", "start_failed"])
def test_a_part_that_cannot_be_created_again(scripted_runtime, make_desktop, alice, levels, reason):
    desktop = make_desktop(alice, status=Status.RUNNING)
    scripted_runtime.unmendable = RuntimeFault(reason, "a rule")
    for _ in range(3):
        jobs.mend_desktop(str(desktop.pk))
    assert levels("not_mended") == ["WARNING", "INFO", "INFO"]
