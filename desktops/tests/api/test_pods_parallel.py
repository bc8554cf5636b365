"""Fifty parallel creates with one token give one desktop and equal answers, on SQLite and on PostgreSQL."""

from collections import Counter

import pytest

from accounts import tokens
from accounts.models import AuditEvent
from desktops.models import Desktop, Status, Volume
from desktops.tests.support.api_client import Script, script_of
from desktops.tests.test_parallel_launch import in_threads

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def fifty(alice):
    """Return a function that sends fifty requests at once and returns the answers."""
    token = tokens.issue(alice, scope=tokens.TokenScope("sess_script"))

    def ask(body: dict) -> list:
        return in_threads(lambda _: Script(token).post("pods/create", body), 50)

    return ask


def test_of_nothing_make_one_desktop(fifty, queued):
    answers = fifty({"resource_quota": {"cpu": "2", "memory": "4Gi"}})
    desktop = Desktop.objects.get()
    body = [answer.json() for answer in answers]
    assert Counter(answer.status_code for answer in answers) == {202: 1, 200: 49}
    assert Counter(each["status"] for each in body) == {"created": 1, "exists": 49}
    assert {each["pod_name"] for each in body} == {desktop.object_name}
    assert {str(each["desktop"]["resource_quota"]) for each in body} == {
        "{'cpu': '2', 'memory': '4Gi', 'storage': '5Gi'}"
    }
    assert queued() == [("start_desktop", str(desktop.pk))]
    assert (Volume.objects.count(), AuditEvent.objects.filter(action="desktop.launch").count()) == (1, 1)


def test_start_a_stopped_one_once(alice, make_desktop, fifty, queued):
    desktop = make_desktop(alice, status=Status.STOPPED)
    answers = fifty({})
    assert Counter(answer.status_code for answer in answers) == {202: 1, 200: 49}
    assert {answer.json()["status"] for answer in answers} == {"exists"}
    assert queued() == [("start_desktop", str(desktop.pk))]
    desktop.refresh_from_db()
    assert desktop.run == 2


def test_of_kept_files_take_them_once(alice, make_desktop, fifty):
    kept = make_desktop(alice).volume
    Desktop.objects.all().delete()
    Volume.objects.update(kept_at="2026-01-01T00:00:00Z")
    answers = fifty({"volume": str(kept.pk)})
    assert Counter(answer.status_code for answer in answers) == {202: 1, 200: 49}
    assert Desktop.objects.get().volume == kept


def test_one_idempotency_key_is_one_deed(alice, queued):
    script = script_of(alice)
    answers = in_threads(lambda _: script.post("pods/create", {}, Idempotency_Key="once"), 20)
    assert {answer.status_code for answer in answers} <= {202, 409}
    first = [answer for answer in answers if answer.status_code == 202]
    assert len({answer.content for answer in first}) == 1
    assert len(queued()) == 1
