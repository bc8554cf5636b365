"""Tests of GET /api/v1/admin/audit."""

import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from accounts import audit
from accounts.audit import Actor
from accounts.models import AuditEvent, User

AUDIT = "/api/v1/admin/audit"
# Django's test client is not an asynchronous server.
pytestmark = pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume asynchronous iterators")


@pytest.fixture
def trail(alice, bob) -> None:
    audit.record("desktop.launch", by=Actor(alice, "192.0.2.1"), target="one", pod_name="vnc-one", name="büro")
    audit.record("desktop.launch", by=Actor(bob, "192.0.2.2"), target="two", result="quota_exceeded")
    audit.record("desktop.stop", by=Actor(alice, "192.0.2.1"), target="one")


@pytest.fixture
def script(admin, api_for):
    return api_for(admin)


def targets(answer) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [f"{event['action']} {event['target']}" for event in answer.json()["results"]]


def lines(answer) -> list[dict]:
    assert answer.status_code == 200
    return [json.loads(line) for line in b"".join(answer).decode().splitlines()]


def test_newest_first(script, trail, alice):
    answer = script.get(AUDIT)
    assert targets(answer) == ["desktop.stop one", "desktop.launch two", "desktop.launch one"]
    body = answer.json()["results"][2]
    assert (body["actor"], body["actor_id"], body["address"]) == ("alice", str(alice.pk), "192.0.2.1")
    assert (body["pod_name"], body["result"], body["details"]) == ("vnc-one", "done", {"name": "büro"})
    assert body["at"].endswith("Z")


@pytest.mark.parametrize(
    "query, found",
    [
        ("actor=bob", ["desktop.launch two"]),
        ("action=desktop.stop", ["desktop.stop one"]),
        ("target=one", ["desktop.stop one", "desktop.launch one"]),
        ("pod_name=vnc-one", ["desktop.launch one"]),
        ("result=quota_exceeded", ["desktop.launch two"]),
        ("actor=alice&action=desktop.launch", ["desktop.launch one"]),
        ("actor=nobody", []),
        ("until=2026-01-01T00:00:00Z", []),
        ("since=2026-01-01T00:00:00Z&target=two", ["desktop.launch two"]),
        ("limit=1&offset=1", ["desktop.launch two"]),
    ],
)
def test_filters(script, trail, query, found):
    assert targets(script.get(f"{AUDIT}?{query}")) == found


def test_actor_by_id_whatever_the_name_is_now(script, trail, alice):
    User.objects.filter(pk=alice.pk).update(username="alicia")
    assert len(targets(script.get(f"{AUDIT}?actor={alice.pk}"))) == 2


def test_pages_are_stable_among_events_of_one_moment(script, db):
    at = timezone.now() - timedelta(hours=1)
    AuditEvent.objects.bulk_create(AuditEvent(at=at, action="knock", target=str(n)) for n in range(30))
    seen = [target for offset in (0, 10, 20) for target in targets(script.get(f"{AUDIT}?limit=10&offset={offset}"))]
    assert seen == [f"knock {number}" for number in reversed(range(30))]


def test_lines(script, trail, admin):
    answer = script.get(f"{AUDIT}?action=desktop.launch", headers={"Accept": "application/x-ndjson"})
    assert answer["Content-Type"] == "application/x-ndjson"
    assert [event["target"] for event in lines(answer)] == ["two", "one"]
    export = AuditEvent.objects.get(action="audit.export")
    assert (export.actor, export.details) == (admin, {"filters": {"action": "desktop.launch"}})


def test_lines_are_what_pages_hold(script, trail):
    pages = script.get(f"{AUDIT}?target=one").json()["results"]
    assert lines(script.get(f"{AUDIT}?target=one", headers={"Accept": "application/x-ndjson"})) == pages


def test_reading_pages_tells_nothing(script, trail):
    script.get(AUDIT)
    assert AuditEvent.objects.count() == 3


@pytest.mark.parametrize(
    "query, field",
    [
        ("since=yesterday", "since"),
        ("until=", "until"),
        ("since=0001-01-01T00:00:00%2B23:59", "since"),
        ("limit=0", "limit"),
        ("limit=100000", "limit"),
        ("offset=-1", "offset"),
        ("actor=", "actor"),
        ("actor=a%00b", "actor"),
        ("action=" + "x" * 51, "action"),
        ("user=alice", "user"),
    ],
)
def test_bad_query_names_the_field(script, query, field):
    answer = script.get(f"{AUDIT}?{query}")
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


@pytest.mark.parametrize(
    ("zone", "query"),
    [("Europe/Berlin", "since=0001-01-01T00:00:00"), ("America/New_York", "until=9999-12-31T23:59:59")],
)
def test_beyond_the_calendar_only_in_the_portals_zone(script, settings, zone, query):
    settings.TIME_ZONE = zone
    answer = script.get(f"{AUDIT}?{query}")
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [query.partition("=")[0]]


def test_lines_know_no_pages(script):
    answer = script.get(f"{AUDIT}?limit=5", headers={"Accept": "application/x-ndjson"})
    assert answer.status_code == 422
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["errors"][0]["field"] == "limit"


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_wrong_method(script, method):
    assert getattr(script, method)(AUDIT, content_type="application/json").status_code == 405


def test_other_form_is_not_acceptable(script):
    assert script.get(AUDIT, headers={"Accept": "text/csv"}).status_code == 406


def test_anonymous(client, db):
    assert client.get(AUDIT).status_code == 401


def test_user_may_not(alice, api_for, trail):
    for accept in ("application/json", "application/x-ndjson"):
        answer = api_for(alice).get(AUDIT, headers={"Accept": accept})
        assert (answer.status_code, answer.json()["slug"]) == (403, "not_administrator")


def test_staff_needs_the_permission(alice, api_for):
    User.objects.filter(pk=alice.pk).update(is_staff=True)
    assert api_for(alice).get(AUDIT).status_code == 403
    alice.user_permissions.add(Permission.objects.get(codename="view_auditevent"))
    assert api_for(alice).get(AUDIT).status_code == 200
