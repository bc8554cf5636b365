"""Tests of admin/pods: administrators list, stop and delete the desktops of all users."""

import pytest
from django.contrib.auth.models import Permission

from accounts.models import AuditEvent
from desktops.models import Status

PODS = "/api/v1/admin/pods"


def one(desktop) -> str:
    return f"{PODS}/{desktop.object_name}"


def named(answer) -> list[str]:
    return [error["field"] for error in answer.json()["errors"]]


def test_everyones_with_owner_and_without_a_way_in(api_for, make_desktop, alice, bob, admin):
    first = make_desktop(alice, status=Status.RUNNING, exposed_host="192.0.2.7", exposed_vnc=30001)
    second = make_desktop(bob)
    body = api_for(admin).get(PODS).json()
    assert [row["pod_name"] for row in body["results"]] == [first.object_name, second.object_name]
    row = body["results"][0]
    assert row["owner"] == {"id": str(alice.pk), "username": "alice"}
    assert (row["status"], row["resource_quota"]["cpu"]) == ("running", "1")
    assert "access_info" not in row
    assert "192.0.2.7" not in str(body)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"owner": "alice"}, ["a", "b"]),
        ({"owner": "ALICE"}, ["a", "b"]),
        ({"owner": "nobody"}, []),
        ({"status": "running"}, ["a"]),
        ({"owner": "alice", "status": "stopped,failed"}, ["b"]),
        ({"ordering": "-name"}, ["c", "b", "a"]),
    ],
)
def test_filters(api_for, make_desktop, alice, admin, query, found):
    make_desktop(alice, name="a", status=Status.RUNNING)
    make_desktop(alice, name="b")
    make_desktop(admin, name="c")
    assert [row["name"] for row in api_for(admin).get(PODS, query).json()["results"]] == found


def test_pages_in_a_stable_order(api_for, make_desktop, alice, admin):
    rows = [make_desktop(alice, name=str(number)) for number in range(5)]
    api, found, page = api_for(admin), [], PODS + "?ordering=status&limit=2"
    while page:
        body = api.get(page).json()
        found += [row["id"] for row in body["results"]]
        page = body["next"]
    assert sorted(found) == sorted(str(row.pk) for row in rows)


def test_number_of_queries_is_constant(api_for, make_desktop, alice, admin, django_assert_max_num_queries):
    api = api_for(admin)
    for number in range(20):
        make_desktop(alice, name=str(number), status=Status.STARTING)
    with django_assert_max_num_queries(4):
        assert len(api.get(PODS).json()["results"]) == 20


@pytest.mark.parametrize(
    ("field", "value"), [("status", "asleep"), ("owner", "x" * 151), ("owner", "\0"), ("limit", "x"), ("user", "alice")]
)
def test_query(api_for, admin, field, value):
    answer = api_for(admin).get(PODS, {field: value})
    assert (answer.status_code, named(answer)) == (422, [field])


def test_stop(api_for, make_desktop, alice, admin, queued, django_capture_on_commit_callbacks):
    desktop = make_desktop(alice, status=Status.RUNNING)
    with django_capture_on_commit_callbacks(execute=True):
        answer = api_for(admin).post(one(desktop) + "/stop", content_type="application/json")
    assert (answer.status_code, answer.json()["desktop"]["status"]) == (202, "stopping")
    assert queued() == [("stop_desktop", str(desktop.pk))]
    event = AuditEvent.objects.get(action="desktop.stop")
    assert (event.actor, event.target, event.result) == (admin, str(desktop.pk), "done")
    body = api_for(alice).get(f"/api/v1/pods/{desktop.object_name}/events").json()
    assert body["results"][0]["kind"] == "stopping"


def test_stop_takes_nothing(api_for, make_desktop, alice, admin):
    path = one(make_desktop(alice, status=Status.RUNNING)) + "/stop"
    answer = api_for(admin).post(path, {"force": True}, content_type="application/json")
    assert (answer.status_code, named(answer)) == (422, ["force"])
    assert named(api_for(admin).post(path + "?wait=5")) == ["wait"]


def test_delete_keeps_the_files(api_for, make_desktop, alice, admin):
    desktop = make_desktop(alice, status=Status.RUNNING)
    answer = api_for(admin).delete(one(desktop))
    assert (answer.status_code, answer.json()) == (
        202,
        {"status": "deleted", "pod_name": desktop.object_name, "backup_task": None},
    )
    desktop.refresh_from_db()
    assert (desktop.status, desktop.keep_data) == (Status.DELETING, True)
    assert AuditEvent.objects.get(action="desktop.delete").details["keep_data"] is True
    assert named(api_for(admin).delete(one(desktop) + "?keep_data=false")) == ["keep_data"]


def asks(desktop) -> list[tuple[str, str, str]]:
    return [
        ("view_desktop", "get", PODS),
        ("change_desktop", "post", one(desktop) + "/stop"),
        ("change_desktop", "delete", one(desktop)),
    ]


def test_anonymous_and_owners(client, api_for, make_desktop, alice):
    for _, method, path in asks(make_desktop(alice)):
        assert getattr(client, method)(path).status_code == 401
        answer = getattr(api_for(alice), method)(path)
        assert (answer.status_code, answer.json()["slug"]) == (403, "not_administrator")


def test_each_method_has_its_permission(api_for, make_desktop, alice, bob):
    bob.is_staff = True
    bob.save()
    for codename, method, path in asks(make_desktop(alice)):
        bob.user_permissions.set(Permission.objects.exclude(codename=codename))
        assert getattr(api_for(bob), method)(path).status_code == 403
        bob.user_permissions.set(Permission.objects.filter(codename=codename))
        assert getattr(api_for(bob), method)(path, content_type="application/json").status_code in (200, 202)


def test_other_methods(api_for, make_desktop, alice, admin):
    desktop = make_desktop(alice)
    for method, path in (("post", PODS), ("delete", PODS), ("get", one(desktop)), ("get", one(desktop) + "/stop")):
        assert getattr(api_for(admin), method)(path).status_code == 405


@pytest.mark.parametrize("name", ["nobody", "x" * 64, "UPPER", "%00", "9" * 63])
def test_unknown_and_nonsense(api_for, admin, name):
    assert api_for(admin).post(f"{PODS}/{name}/stop", content_type="application/json").status_code == 404
    assert api_for(admin).delete(f"{PODS}/{name}").status_code == 404
