"""Tests of admin/quotas and admin/users/<id>/quota, and of the quota that results."""

from uuid import uuid4

import pytest
from django.contrib.auth.models import Group, Permission

from accounts.models import AuditEvent, Quota

QUOTAS = "/api/v1/admin/quotas"
NUMBERS = ("cpu", "memory_mib", "storage_gib", "gpu", "desktops", "max_lifetime_minutes", "idle_minutes")
LIMITS = (*NUMBERS, "backups", "backup_storage_gib")
BEYOND = 2**63


def one(quota: Quota) -> str:
    return f"{QUOTAS}/{quota.pk}"


def send(api, method: str, path: str, body: object):
    return getattr(api, method)(path, body, content_type="application/json")


def named(answer) -> list[str]:
    return [error["field"] for error in answer.json()["errors"]]


@pytest.fixture
def own(alice) -> Quota:
    return Quota.objects.create(user=alice, cpu="2.50", desktops=3)


@pytest.fixture
def group(db) -> Group:
    return Group.objects.create(name="Research")


def test_list(api_for, own, group, alice, admin):
    of_group = Quota.objects.create(group=group, gpu=1)
    body = api_for(admin).get(QUOTAS).json()
    assert body["count"] == 3
    default, mine, theirs = body["results"]
    assert (default["user"], default["group"]) == (None, None)
    nothing = dict.fromkeys(LIMITS)
    assert mine == nothing | {
        **{"id": own.pk, "user": str(alice.pk), "username": "alice", "group": None, "cpu": "2.5", "desktops": 3}
    }
    assert theirs == nothing | {"id": of_group.pk, "user": None, "username": None, "group": "Research", "gpu": 1}


def test_filters(api_for, own, group, alice, admin):
    of_group = Quota.objects.create(group=group)
    api = api_for(admin)
    assert [row["id"] for row in api.get(QUOTAS, {"user": alice.pk}).json()["results"]] == [own.pk]
    assert [row["id"] for row in api.get(QUOTAS, {"group": "Research"}).json()["results"]] == [of_group.pk]
    assert api.get(QUOTAS, {"user": uuid4()}).json()["count"] == 0


@pytest.mark.parametrize(("field", "value"), [("user", "alice"), ("group", "x" * 151), ("group", "\0"), ("cpu", "1")])
def test_query(api_for, admin, field, value):
    answer = api_for(admin).get(QUOTAS, {field: value})
    assert (answer.status_code, named(answer)) == (422, [field])


def test_number_of_queries_is_constant(api_for, admin, first_rows, django_assert_max_num_queries):
    for number in range(20):
        Quota.objects.create(group=Group.objects.create(name=str(number)))
    api = api_for(admin)
    with django_assert_max_num_queries(4):
        assert len(api.get(QUOTAS).json()["results"]) == 21


def test_add_for_a_user(api_for, alice, admin):
    answer = send(
        api_for(admin), "post", QUOTAS, {"user": str(alice.pk), "cpu": "1.25", "gpu": None, "idle_minutes": 0}
    )
    assert answer.status_code == 201, answer.content
    body = answer.json()
    assert (body["username"], body["cpu"], body["gpu"], body["idle_minutes"]) == ("alice", "1.25", None, 0)
    assert Quota.objects.get(pk=body["id"]).user == alice
    event = AuditEvent.objects.get(action="quota.add")
    assert (event.actor, event.target) == (admin, "alice")


def test_add_for_a_group_and_the_default(api_for, group, admin):
    assert send(api_for(admin), "post", QUOTAS, {"group": "Research", "cpu": 4}).json()["group"] == "Research"
    Quota.objects.filter(user=None, group=None).delete()
    answer = send(api_for(admin), "post", QUOTAS, {"user": None, "group": None, "desktops": 1})
    assert (answer.status_code, answer.json()["desktops"]) == (201, 1)


def test_each_has_one(api_for, own, group, alice, admin):
    Quota.objects.create(group=group)
    for body, field in (({"user": str(alice.pk)}, "user"), ({"group": "Research"}, "group"), ({}, "user")):
        answer = send(api_for(admin), "post", QUOTAS, body)
        assert (answer.status_code, answer.json()["slug"], named(answer)) == (409, "quota_exists", [field])
    assert AuditEvent.objects.filter(action="quota.add", result="quota_exists").count() == 3


@pytest.mark.parametrize(
    ("body", "field"),
    [
        *(({name: value}, name) for name in LIMITS[1:] for value in (-1, 2**31, "4", 1.0, True, [], {})),
        *(
            ({"cpu": value}, "cpu")
            for value in (-1, "x", 10000, "1.234", "NaN", "Infinity", "1e99", [], True, "9" * 500)
        ),
        *(({"user": value}, "user") for value in (str(uuid4()), "alice", 7, [], True)),
        *(({"group": value}, "group") for value in ("Nobody", 7.5, [], {}, "x" * 5000)),
        ({"id": 7}, "id"),
        ({"memory": "4Gi"}, "memory"),
    ],
)
def test_bad_field(api_for, alice, admin, body, field):
    answer = send(api_for(admin), "post", QUOTAS, {"user": str(alice.pk)} | body)
    assert (answer.status_code, named(answer)) == (422, [field]), answer.content


@pytest.mark.parametrize(
    "body", [f'{{"gpu": {BEYOND}}}', '{"gpu": 1e400}', '{"cpu": NaN}', '{"group": "\\u0000"}', "[]"]
)
def test_what_no_database_keeps(api_for, admin, body):
    assert api_for(admin).post(QUOTAS, body, content_type="application/json").status_code in (400, 422)


def test_not_for_both(api_for, alice, group, admin):
    answer = send(api_for(admin), "post", QUOTAS, {"user": str(alice.pk), "group": "Research"})
    assert (answer.status_code, answer.json()["slug"], named(answer)) == (422, "quota_of_both", ["group"])


def test_look(api_for, own, admin):
    assert api_for(admin).get(one(own)).json()["cpu"] == "2.5"


def test_change_and_inherit_again(api_for, own, admin):
    answer = send(api_for(admin), "patch", one(own), {"cpu": None, "gpu": 2})
    assert answer.status_code == 200
    own.refresh_from_db()
    assert (own.cpu, own.gpu, own.desktops) == (None, 2, 3)
    event = AuditEvent.objects.get(action="quota.change")
    assert (event.target, sorted(event.details["fields"])) == ("alice", ["cpu", "gpu"])


@pytest.mark.parametrize(("body", "field"), [({"user": None}, "user"), ({"gpu": -1}, "gpu"), ({"cpu": "x"}, "cpu")])
def test_bad_change(api_for, own, admin, body, field):
    answer = send(api_for(admin), "patch", one(own), body)
    assert (answer.status_code, named(answer)) == (422, [field])


def test_delete(api_for, own, admin):
    answer = api_for(admin).delete(one(own))
    assert (answer.status_code, answer.json()) == (200, {"status": "deleted", "id": own.pk})
    assert not Quota.objects.filter(pk=own.pk).exists()
    assert AuditEvent.objects.get(action="quota.delete").target == "alice"


@pytest.mark.parametrize("number", ["0", "999999", str(BEYOND), "9" * 100, "9" * 5000, "-1", "x", "1.5"])
def test_unknown_and_nonsense(api_for, admin, number):
    for method in ("get", "patch", "delete"):
        assert getattr(api_for(admin), method)(f"{QUOTAS}/{number}").status_code == 404


def test_what_holds_in_the_end(api_for, own, group, alice, admin):
    Quota.objects.create(group=group, gpu=1, desktops=9)
    alice.groups.add(group)
    body = api_for(admin).get(f"/api/v1/admin/users/{alice.pk}/quota").json()
    assert (body["user"], body["username"]) == (str(alice.pk), "alice")
    assert list(body["quota"]) == list(LIMITS)
    assert body["quota"]["cpu"] == {"limit": "2.5", "source": "user"}
    assert body["quota"]["desktops"] == {"limit": "3", "source": "user"}
    assert body["quota"]["gpu"] == {"limit": "1", "source": "group Research"}
    assert body["quota"]["memory_mib"]["source"] == "default"
    assert body["quota"]["backups"] == {"policy": "never", "source": "default"}
    assert api_for(admin).get(f"/api/v1/admin/users/{uuid4()}/quota").status_code == 404


def test_the_greatest_limit_is_told(api_for, own, alice, admin):
    Quota.objects.filter(pk=own.pk).update(memory_mib=2**31 - 1, cpu="9999.99")
    body = api_for(admin).get(f"/api/v1/admin/users/{alice.pk}/quota").json()["quota"]
    assert (body["memory_mib"]["limit"], body["cpu"]["limit"]) == ("2147483647", "9999.99")


def asks(own) -> list[tuple[str, str, str]]:
    return [
        ("view_quota", "get", QUOTAS),
        ("add_quota", "post", QUOTAS),
        ("view_quota", "get", one(own)),
        ("change_quota", "patch", one(own)),
        ("delete_quota", "delete", one(own)),
        ("view_quota", "get", f"/api/v1/admin/users/{own.user_id}/quota"),
    ]


def test_anonymous_and_others(client, api_for, own, alice):
    for _, method, path in asks(own):
        assert getattr(client, method)(path).status_code == 401
        answer = getattr(api_for(alice), method)(path)
        assert (answer.status_code, answer.json()["slug"]) == (403, "not_administrator")


def test_each_method_has_its_permission(api_for, own, bob):
    bob.is_staff = True
    bob.save()
    for codename, method, path in asks(own):
        bob.user_permissions.set(Permission.objects.exclude(codename=codename))
        assert getattr(api_for(bob), method)(path).status_code == 403


def test_other_methods(api_for, own, admin):
    for method, path in (("put", QUOTAS), ("patch", QUOTAS), ("delete", QUOTAS), ("post", one(own)), ("put", one(own))):
        assert getattr(api_for(admin), method)(path).status_code == 405


def test_backups_are_a_policy_of_three_words(api_for, own, admin):
    api = api_for(admin)
    assert send(api, "patch", one(own), {"backups": "daily", "backup_storage_gib": 20}).json()["backups"] == "daily"
    assert send(api, "patch", one(own), {"backups": None}).json()["backups"] is None
    refused = send(api, "patch", one(own), {"backups": "weekly"})
    assert (refused.status_code, named(refused)) == (422, ["backups"])
