"""Tests of GET monitor/: the overall state, and the state of each part when another part is unavailable."""

import django_rq
import pytest
from django.contrib.auth.models import Permission

from desktops.lifecycle import heartbeat, queue
from desktops.lifecycle.worker import Worker
from desktops.models import Desktop, Status
from desktops.tests.support.portal_server import running
from tests.support.environment import redis_refuses_writes

MONITOR = "/api/v1/monitor/"


def work(desktop_id: str) -> None:
    """A job for the queue of these tests."""


@pytest.fixture
def at_work():
    """Register a controller that sends heartbeats, and a worker of the queue."""
    heartbeat.record_controller_beat()
    heartbeat.record_runtime_answer()
    worker = Worker([django_rq.get_queue("desktops")], connection=django_rq.get_connection("desktops"))
    worker.register_birth()
    yield
    worker.register_death()


def test_all_is_well(api_for, alice, at_work):
    response = api_for(alice).get(MONITOR)
    assert response.status_code == 200
    body = response.json()
    assert body.pop("controller")["seconds_since"] < 20
    assert body == {
        **{
            "status": "ok",
            "database": "ok",
            "redis": "ok",
            "redis_detail": None,
            "workers": 1,
            "runtime": "ok",
            "scope": "mine",
            "lost_volumes": 0,
        },
        **{"queue": {"depth": 0, "oldest_seconds": 0.0}, "desktops": dict.fromkeys(Status.values, 0)},
    }


def test_what_waits_in_the_queue(api_for, alice, at_work, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        queue.enqueue_after_commit(work, "1")
        queue.enqueue_after_commit(work, "2")
    found = api_for(alice).get(MONITOR).json()["queue"]
    assert found["depth"] == 2
    assert 0 < found["oldest_seconds"] < 60


def test_nobody_at_work(api_for, alice, old_redis):
    body = api_for(alice).get(MONITOR).json()
    assert (body["status"], body["workers"]) == ("degraded", 0)
    assert body["controller"] == {"status": "missing", "seconds_since": None}


def test_restarted_redis_has_no_heartbeats_yet(api_for, alice, monkeypatch):
    monkeypatch.setattr(heartbeat, "NEW_FOR", 10**9)
    body = api_for(alice).get(MONITOR).json()
    assert (body["status"], body["workers"]) == ("degraded", None)
    assert body["controller"] == {"status": "unknown", "seconds_since": None}


@pytest.mark.parametrize(("why", "said"), [("memory_full", "memory is full"), ("save_failed", "to disk")])
def test_redis_that_refuses_writes(api_for, alice, at_work, why, said):
    api = api_for(alice)
    with redis_refuses_writes(why):
        body = api.get(MONITOR).json()
    assert (body["status"], body["redis"]) == ("degraded", "refuses_writes")
    assert said in body["redis_detail"]
    assert body["controller"] == {"status": "unknown", "seconds_since": None}
    assert (body["workers"], body["runtime"], body["queue"]) == (None, "unknown", None)
    assert api.get(MONITOR).json()["status"] == "ok"


@pytest.mark.parametrize("refused", [False, True])
def test_runtime_unavailable(api_for, alice, at_work, refused):
    heartbeat.record_runtime_outage(refused=refused)
    body = api_for(alice).get(MONITOR).json()
    assert (body["status"], body["runtime"]) == ("degraded", "away")


class TestScope:
    @pytest.fixture(autouse=True)
    def desktops(self, make_desktop, alice, bob):
        make_desktop(alice, status=Status.RUNNING)
        make_desktop(alice, status=Status.FAILED, name="second")
        make_desktop(bob, status=Status.RUNNING)

    def counts(self, api) -> tuple[str, int, int]:
        body = api.get(MONITOR).json()
        return body["scope"], body["desktops"]["running"], body["desktops"]["failed"]

    def test_mine(self, api_for, alice):
        assert self.counts(api_for(alice)) == ("mine", 1, 1)

    def test_everyones_for_administrators(self, api_for, admin):
        assert self.counts(api_for(admin)) == ("everyone", 2, 1)

    def test_staff_needs_the_permission(self, api_for, bob):
        bob.is_staff = True
        bob.save()
        assert self.counts(api_for(bob)) == ("mine", 1, 0)
        bob.user_permissions.add(Permission.objects.get(codename="view_desktop"))
        assert self.counts(api_for(bob)) == ("everyone", 2, 1)

    def test_the_permission_without_staff_is_none(self, api_for, bob):
        bob.user_permissions.add(Permission.objects.get(codename="view_desktop"))
        assert self.counts(api_for(bob))[0] == "mine"


def test_number_of_queries_is_constant(api_for, make_desktop, bob, django_assert_max_num_queries):
    bob.is_staff = True
    bob.save()
    bob.user_permissions.add(Permission.objects.get(codename="view_desktop"))
    api = api_for(bob)
    for number in range(20):
        make_desktop(bob, name=str(number))
    with django_assert_max_num_queries(7):
        assert api.get(MONITOR).json()["desktops"]["stopped"] == Desktop.objects.count() == 20


def test_redis_unavailable(api_for, make_desktop, alice, redis_unavailable):
    make_desktop(alice, status=Status.RUNNING)
    api = api_for(alice)
    with redis_unavailable():
        answer = api.get(MONITOR)
    assert answer.status_code == 200
    body = answer.json()
    assert (body["status"], body["database"], body["redis"]) == ("degraded", "ok", "away")
    assert body["controller"] == {"status": "unknown", "seconds_since": None}
    assert (body["workers"], body["runtime"], body["queue"]) == (None, "unknown", None)
    assert body["desktops"]["running"] == 1


def test_database_unavailable(live_folder, ask, script_token, alice, transactional_db):
    """The token is valid by Redis alone, because the database cannot be opened."""
    token = script_token(alice)
    with running(live_folder, DATABASE_URL=f"sqlite:///{live_folder}/no/such/folder.sqlite3") as server:
        answer = ask(server, "monitor/", token)
    assert answer.status_code == 200
    body = answer.json()
    assert (body["status"], body["database"], body["redis"]) == ("degraded", "away", "ok")
    assert (body["desktops"], body["scope"]) == (None, None)
    assert body["queue"] == {"depth": 0, "oldest_seconds": 0.0}


def test_anonymous(client):
    assert client.get(MONITOR).status_code == 401


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_other_methods(api_for, alice, method):
    assert getattr(api_for(alice), method)(MONITOR).status_code == 405


def test_unknown_query(api_for, alice):
    answer = api_for(alice).get(MONITOR, {"scope": "everyone"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "scope")


def test_a_token_for_one_desktop(api_for, alice, make_desktop):
    assert api_for(alice, pod_name=make_desktop(alice).object_name).get(MONITOR).status_code == 403
