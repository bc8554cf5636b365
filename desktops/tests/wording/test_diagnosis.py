"""Every state has a sentence: waiting, permanent, or neither."""

import ast

import pytest
from django.conf import settings

from desktops.models import Status
from desktops.wording import backup_reasons
from desktops.wording.diagnosis import DiagnosisInput, explain
from desktops.wording.reasons import ASKED_FOR, REASONS, RUNNING, WAITING

pytestmark = pytest.mark.once


@pytest.mark.parametrize("status", Status.values)
def test_every_status_is_explained(status):
    found = explain(DiagnosisInput(status))
    assert bool(found.sentence) == (status != Status.RUNNING)
    assert found.waiting == (status in ("pending", "starting", "stopping", "deleting"))
    assert found.permanent == (status == Status.FAILED)


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_of_a_failure_has_a_sentence(reason):
    assert explain(DiagnosisInput(Status.FAILED, reason)).sentence == str(REASONS[reason].sentence)


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_says_what_to_do(reason):
    status = Status.RUNNING if reason in RUNNING else Status.STOPPED if reason in ASKED_FOR else Status.FAILED
    found = explain(DiagnosisInput(status, reason))
    assert found.sentence.endswith(".")
    assert found.next_step.endswith(".")


SLUG_AT = {"RuntimeFault": 0, "Verdict": 1, "RunEnded": 1}
# Rows never have these: other ports or a later end or delete are tried, and the portal's own names are valid.
NEVER_TOLD = {"port_taken", "not_deleted", "still_deleting", "still_ending", "bad_name", "bad_resolution"}


def given_by_runtimes() -> set[str]:
    """Return the slugs in the sources of the runtimes, as in RuntimeFault("slug", …)."""
    found = set()
    for source in (settings.BASE_DIR / "desktops/runtimes").rglob("*.py"):
        for call in ast.walk(ast.parse(source.read_text())):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in SLUG_AT:
                given = call.args[SLUG_AT[call.func.id] :][:1]
                found |= {each.value for slug in given for each in ast.walk(slug) if isinstance(each, ast.Constant)}
    return found - {"ready"}  # it is compared with, and never set


@pytest.mark.parametrize("slug", sorted(given_by_runtimes() - NEVER_TOLD))
def test_what_a_runtime_may_say_is_known(slug):
    """Faults of desktops and of backups have tables of their own."""
    assert slug in REASONS or slug in backup_reasons.REASONS


def test_an_unknown_reason_is_said_to_be_unknown():
    found = explain(DiagnosisInput(Status.FAILED, "never-heard-of"))
    assert "unknown reason" in found.sentence
    assert found.next_step


def test_a_missing_controller_beats_an_endless_spinner():
    assert "controller is not running" in explain(DiagnosisInput(Status.STARTING, controller_late=True)).sentence
    assert "controller" not in explain(DiagnosisInput(Status.RUNNING, controller_late=True)).sentence


def test_redis_is_said_before_what_only_redis_knows():
    found = explain(DiagnosisInput(Status.PENDING, seconds=60, redis="memory_full", controller_late=True, workers=0))
    assert "refuses writes: its memory is full" in found.sentence
    assert (found.waiting, found.permanent) == (True, False)
    assert "continues automatically" in found.next_step


def test_missing_workers_are_said_after_a_moment():
    assert "worker" not in explain(DiagnosisInput(Status.PENDING, seconds=1, workers=0)).sentence
    assert "No worker" in explain(DiagnosisInput(Status.PENDING, seconds=5, workers=0)).sentence


def test_a_slow_start_says_so():
    assert not explain(DiagnosisInput(Status.STARTING, seconds=5)).next_step
    assert "longer than usual" in explain(DiagnosisInput(Status.STARTING, seconds=30)).next_step


@pytest.mark.parametrize("slug", WAITING)
def test_a_start_that_waits_says_for_what_and_that_it_goes_on(slug):
    found = explain(DiagnosisInput(Status.STARTING, slug, seconds=500))
    assert (found.sentence, found.waiting, found.permanent) == (str(WAITING[slug].waiting), True, False)
    assert WAITING[slug].timeout > 0
    assert explain(DiagnosisInput(Status.FAILED, slug)).permanent


@pytest.mark.parametrize("slug", RUNNING)
def test_what_happened_to_a_running_desktop_is_said(slug):
    assert explain(DiagnosisInput(Status.RUNNING, slug)).sentence == str(RUNNING[slug].sentence)


def test_a_runtime_that_does_not_answer_is_said_and_nothing_is_hopeless():
    found = explain(DiagnosisInput(Status.STARTING, "unschedulable", runtime_outage="away"))
    assert ("do not answer" in found.sentence, found.waiting, found.permanent) == (True, True, False)


def test_a_refused_runtime_promises_nothing_about_files():
    found = explain(DiagnosisInput(Status.STARTING, "unschedulable", runtime_outage="refused"))
    assert "denies the portal access" in found.sentence
    assert "namespace may have been deleted" in found.next_step
    assert not {"lost", "safe"} & set(f"{found.sentence} {found.next_step}".replace(".", "").split())
