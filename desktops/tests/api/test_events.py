"""Tests of GET pods/<pod_name>/events and GET events, as pages of JSON."""

from datetime import timedelta

import pytest
from django.utils import timezone

from desktops.models import DesktopEvent, Status


def address(desktop) -> str:
    return f"/api/v1/pods/{desktop.object_name}/events"


def written(desktop, *kinds, **params) -> list[int]:
    """Write events a second apart and return their ids."""
    begin = timezone.now() - timedelta(minutes=1)
    for seconds, kind in enumerate(kinds):
        DesktopEvent.write(desktop, kind, at=begin + timedelta(seconds=seconds), **params)
    return list(desktop.events.order_by("pk").values_list("pk", flat=True))


def test_newest_line_first_with_its_sentence(api_for, make_desktop, alice):
    desktop = make_desktop(alice)
    queued, _, stopped = written(desktop, "queued", "starting", "stopped", reason="idle")
    body = api_for(alice).get(address(desktop)).json()
    assert body["pod_name"] == desktop.object_name
    assert body["count"] == 2  # the API leaves out what the page hides
    newest, oldest = body["results"]
    assert (newest["id"], newest["kind"], newest["sentence"]) == (stopped, "stopped", "Stopped")
    assert newest["why"] == "It was stopped because it was idle for too long."
    assert (oldest["id"], oldest["kind"], oldest["run"], oldest["why"]) == (queued, "queued", 1, "")


def test_pages_follow_each_other(api_for, make_desktop, alice):
    desktop = make_desktop(alice)
    numbers = written(desktop, *["stopping", "stopped"] * 5)
    api, found, page = api_for(alice), [], address(desktop) + "?limit=3"
    while page:
        body = api.get(page).json()
        assert body["count"] == 10
        found += [line["id"] for line in body["results"]]
        page = body["next"]
    assert found == numbers[::-1]


def test_some_of_them_and_oldest_first(api_for, make_desktop, alice):
    desktop = make_desktop(alice)
    queued, stopping, stopped, again = written(desktop, "queued", "stopping", "stopped", "stopping")
    since = desktop.events.get(pk=stopped).at.isoformat()
    for asked, found in (
        ({"ordering": "at"}, [queued, stopping, stopped, again]),
        ({"kind": "stopping"}, [again, stopping]),
        ({"since": since}, [again, stopped]),
        ({"since": since, "kind": "stopping", "ordering": "at"}, [again]),
        ({"kind": "failed"}, []),
    ):
        for path in (address(desktop), "/api/v1/events"):
            body = api_for(alice).get(path, asked).json()
            assert [line["id"] for line in body["results"]] == found, asked


@pytest.mark.parametrize(("field", "value"), [("kind", "starting"), ("kind", "x"), ("ordering", "id"), ("since", "x")])
def test_filters_that_are_none(api_for, make_desktop, alice, field, value):
    answer = api_for(alice).get(address(make_desktop(alice)), {field: value})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


def test_all_my_desktops_in_one(api_for, make_desktop, alice, bob):
    first, second, other = make_desktop(alice), make_desktop(alice, name="second"), make_desktop(bob)
    for desktop in (first, second, other):
        written(desktop, "queued")
    body = api_for(alice).get("/api/v1/events").json()
    assert {line["pod_name"] for line in body["results"]} == {first.object_name, second.object_name}


def test_number_of_queries_is_constant(api_for, make_desktop, alice, django_assert_max_num_queries):
    api = api_for(alice)
    for number in range(10):
        written(make_desktop(alice, name=str(number)), "queued", "stopped")
    with django_assert_max_num_queries(4):
        assert api.get("/api/v1/events").json()["count"] == 20


def test_a_token_for_one_desktop_sees_that_one(api_for, make_desktop, alice):
    mine, other = make_desktop(alice), make_desktop(alice, name="other")
    api = api_for(alice, pod_name=mine.object_name)
    assert api.get(address(mine)).status_code == 200
    assert api.get(address(other)).status_code == 404
    assert api.get("/api/v1/events").status_code == 403


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
class TestRefused:
    def test_stranger(self, api_for, make_desktop, alice, bob, accept):
        answer = api_for(bob).get(address(make_desktop(alice)), headers={"Accept": accept})
        assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")
        assert answer.json()["slug"] == "not_found"

    def test_anonymous(self, client, make_desktop, alice, accept):
        for path in (address(make_desktop(alice)), "/api/v1/events"):
            assert client.get(path, headers={"Accept": accept}).status_code == 401

    def test_other_methods(self, api_for, make_desktop, alice, accept):
        for path in (address(make_desktop(alice)), "/api/v1/events"):
            for method in ("post", "put", "patch", "delete"):
                assert getattr(api_for(alice), method)(path, headers={"Accept": accept}).status_code == 405

    @pytest.mark.parametrize("field", ["limit", "offset", "since"])
    def test_query(self, api_for, make_desktop, alice, accept, field):
        for path in (address(make_desktop(alice)), "/api/v1/events"):
            answer = api_for(alice).get(path, {field: "9" * 30}, headers={"Accept": accept})
            assert answer.status_code == 422
            assert answer.json()["errors"][0]["field"] == field


@pytest.mark.parametrize("number", ["x", "-1", "1.5", "9" * 19, "9" * 5000, "²", "1 2"])
def test_last_event_id_in_nonsense(api_for, make_desktop, alice, number):
    headers = {"Accept": "text/event-stream", "Last-Event-ID": number}
    answer = api_for(alice).get(address(make_desktop(alice, status=Status.RUNNING)), headers=headers)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "Last-Event-ID"


def test_another_form_is_not_served(api_for, alice):
    assert api_for(alice).get("/api/v1/events", headers={"Accept": "image/png"}).status_code == 406


@pytest.mark.parametrize("name", ["x" * 64, "VNC", "-x", "a_b", "%00", "a%0a", "é"])
def test_what_is_no_name_is_no_address(api_for, alice, name):
    assert api_for(alice).get(f"/api/v1/pods/{name}/events").status_code == 404


def test_head_of_a_stream_ends(api_for, make_desktop, alice):
    desktop = make_desktop(alice)
    for path in (address(desktop), "/api/v1/events"):
        answer = api_for(alice).head(path, headers={"Accept": "text/event-stream"})
        assert (answer.status_code, answer["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
        assert not answer.streaming
