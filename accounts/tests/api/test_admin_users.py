"""Tests of admin/users: list, add, read, change and delete, who may do so, and the effect on sign-ins."""

from uuid import uuid4

import pytest
from django.contrib.auth.models import Group, Permission

from accounts import tokens
from accounts.models import AuditEvent, User

USERS = "/api/v1/admin/users"
GOOD = "a long password of nobody's"


def one(user: User) -> str:
    return f"{USERS}/{user.pk}"


def send(api, method: str, path: str, body: object):
    return getattr(api, method)(path, body, content_type="application/json")


def named(answer) -> list[str]:
    return [error["field"] for error in answer.json()["errors"]]


@pytest.fixture
def staff(bob):
    """Return bob with Django's permissions for users, but not as a superuser."""
    bob.is_staff = True
    bob.save()
    bob.user_permissions.set(Permission.objects.filter(codename__endswith="_user"))
    return User.objects.get(pk=bob.pk)


class TestList:
    def test_all_by_name(self, api_for, alice, bob, admin):
        body = api_for(admin).get(USERS).json()
        assert (body["count"], [row["username"] for row in body["results"]]) == (3, ["admin", "alice", "bob"])
        assert body["results"][1] == {
            **{"id": str(alice.pk), "username": "alice", "email": "", "first_name": "", "last_name": ""},
            **{"is_active": True, "is_staff": False, "is_superuser": False, "groups": [], "last_login": None},
            "date_joined": body["results"][1]["date_joined"],
        }

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"q": "ALI"}, ["alice"]),
            ({"q": "example.org"}, ["bob"]),
            ({"is_active": "false"}, ["bob"]),
            ({"is_staff": "true"}, ["admin"]),
            ({"ordering": "-username", "is_active": "true"}, ["alice", "admin"]),
            ({"q": "%"}, []),
        ],
    )
    def test_search_filter_order(self, api_for, alice, bob, admin, query, found):
        User.objects.filter(pk=bob.pk).update(is_active=False, email="b@example.org")
        assert [row["username"] for row in api_for(admin).get(USERS, query).json()["results"]] == found

    def test_pages_in_a_stable_order(self, api_for, admin):
        for number in range(7):
            User.objects.create(username=f"u{number}", email="same@example.org")
        api, found, page = api_for(admin), [], f"{USERS}?ordering=email&limit=3"
        while page:
            body = api.get(page).json()
            found += [row["id"] for row in body["results"]]
            page = body["next"]
        assert len(found) == len(set(found)) == 8

    def test_number_of_queries_is_constant(self, api_for, admin, django_assert_max_num_queries):
        api = api_for(admin)
        for number in range(20):
            User.objects.create(username=f"u{number}")
        with django_assert_max_num_queries(5):  # one of them for all groups
            api.get(USERS)

    @pytest.mark.parametrize(
        ("field", "value"),
        [("ordering", "password"), ("is_active", "perhaps"), ("q", "x" * 151), ("q", "a\0b"), ("name", "x")],
    )
    def test_query(self, api_for, admin, field, value):
        answer = api_for(admin).get(USERS, {field: value})
        assert (answer.status_code, named(answer)) == (422, [field])


class TestAdd:
    def test_can_sign_in_and_is_audited(self, api_for, admin):
        body = {"username": "carol", "password": GOOD, "email": "Carol@EXAMPLE.org", "first_name": "Carol"}
        answer = send(api_for(admin), "post", USERS, body)
        assert answer.status_code == 201, answer.content
        created = answer.json()
        assert (created["username"], created["is_active"], created["is_staff"]) == ("carol", True, False)
        assert "password" not in created
        assert User.objects.get(pk=created["id"]).check_password(GOOD)
        event = AuditEvent.objects.get(action="user.add")
        assert (event.actor, event.target, event.result) == (admin, "carol", "done")
        assert sorted(event.details["fields"]) == ["email", "first_name", "username"]

    def test_a_name_is_given_once(self, api_for, alice, admin):
        for name in ("alice", "ａｌｉｃｅ"):  # the second has full-width letters, which Django normalizes to the first
            answer = send(api_for(admin), "post", USERS, {"username": name, "password": GOOD})
            assert (answer.status_code, answer.json()["slug"], named(answer)) == (409, "username_taken", ["username"])
        assert AuditEvent.objects.filter(action="user.add", result="username_taken").count() == 2

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"password": "12345"}, "password"),
            ({"password": "carolcar"}, "password"),
            ({"password": "password"}, "password"),
            ({"password": None}, "password"),
            ({"password": 12345678901}, "password"),
            ({"password": "x" * 5000}, "password"),
            ({"username": ""}, "username"),
            ({"username": "a b"}, "username"),
            ({"username": "x" * 151}, "username"),
            ({"username": "\ufdfa" * 20}, "username"),
            ({"username": 7}, "username"),
            ({"username": ["carol"]}, "username"),
            ({"email": "nobody"}, "email"),
            ({"email": f"{'x' * 300}@example.org"}, "email"),
            ({"first_name": "x" * 151}, "first_name"),
            ({"is_active": "yes"}, "is_active"),
            ({"is_staff": 1}, "is_staff"),
            ({"is_staff": None}, "is_staff"),
            ({"is_superuser": True}, "is_superuser"),
            ({"groups": "staff"}, "groups"),
            ({"groups": ["nobody's"]}, "groups"),
            ({"groups": [7]}, "groups.0"),
            ({"groups": None}, "groups"),
            ({"id": str(uuid4())}, "id"),
        ],
    )
    def test_bad_field(self, api_for, admin, changes, field):
        answer = send(api_for(admin), "post", USERS, {"username": "carol", "password": GOOD} | changes)
        assert (answer.status_code, set(named(answer))) == (422, {field}), answer.content
        assert not User.objects.filter(username="carol").exists()

    def test_nothing_sent(self, api_for, admin):
        answer = send(api_for(admin), "post", USERS, {})
        assert (answer.status_code, sorted(named(answer))) == (422, ["password", "username"])

    @pytest.mark.parametrize(
        "body", ['{"username": "a\\u0000", "password": "x"}', '{"username": "\\ud800"}', "[]", "7"]
    )
    def test_what_no_database_keeps(self, api_for, admin, body):
        assert api_for(admin).post(USERS, body, content_type="application/json").status_code in (400, 422)

    def test_staff_is_made_by_superusers(self, api_for, staff, admin):
        body = {"username": "carol", "password": GOOD, "is_staff": True}
        answer = send(api_for(staff), "post", USERS, body)
        assert (answer.status_code, answer.json()["slug"]) == (403, "superusers_only")
        assert send(api_for(staff), "post", USERS, body | {"is_staff": False}).status_code == 201
        assert send(api_for(admin), "post", USERS, body | {"username": "dave"}).json()["is_staff"] is True


class TestChange:
    def test_names_and_address(self, api_for, alice, admin):
        body = {"email": "a@example.org", "first_name": "Alice", "last_name": ""}
        answer = send(api_for(admin), "patch", one(alice), body)
        assert (answer.status_code, answer.json()["email"]) == (200, "a@example.org")
        alice.refresh_from_db()
        assert (alice.email, alice.first_name) == ("a@example.org", "Alice")
        event = AuditEvent.objects.get(action="user.change")
        assert sorted(event.details["fields"]) == ["email", "first_name"]  # only the changed ones

    def test_disabled_is_out_at_once_and_can_come_back(self, api_for, alice, admin, django_capture_on_commit_callbacks):
        mine = api_for(alice)
        assert mine.get("/api/v1/auth/tokens").status_code == 200
        with django_capture_on_commit_callbacks(execute=True):
            assert send(api_for(admin), "patch", one(alice), {"is_active": False}).json()["is_active"] is False
        assert mine.get("/api/v1/auth/tokens").status_code == 401
        assert send(api_for(admin), "patch", one(alice), {"is_active": True}).json()["is_active"] is True
        assert mine.get("/api/v1/auth/tokens").status_code == 401  # revoked tokens stay revoked
        events = AuditEvent.objects.filter(target="alice").values_list("action", flat=True).order_by("pk")
        assert list(events) == ["user.disable", "user.enable"]

    def test_new_password_ends_what_was_open(self, api_for, alice, admin):
        text = tokens.issue(alice, scope=tokens.TokenScope("x"))
        assert send(api_for(admin), "patch", one(alice), {"password": GOOD}).status_code == 200
        alice.refresh_from_db()
        assert alice.check_password(GOOD)
        with pytest.raises(tokens.TokenRefused):
            tokens.verify(text)
        assert AuditEvent.objects.filter(action="password.change", actor=admin).exists()

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"password": "alice"}, "password"),
            ({"email": "nobody"}, "email"),
            ({"username": "alison"}, "username"),
            ({"is_superuser": True}, "is_superuser"),
            ({"is_active": 0}, "is_active"),
            ({"last_name": None}, "last_name"),
        ],
    )
    def test_bad_field(self, api_for, alice, admin, body, field):
        answer = send(api_for(admin), "patch", one(alice), {"first_name": "Al"} | body)
        assert (answer.status_code, named(answer)) == (422, [field])
        alice.refresh_from_db()
        assert alice.first_name == ""  # all or nothing

    def test_nobody_disables_himself(self, api_for, admin):
        answer = send(api_for(admin), "patch", one(admin), {"is_active": False, "email": "a@example.org"})
        assert (answer.status_code, answer.json()["slug"], named(answer)) == (409, "own_account", ["is_active"])
        admin.refresh_from_db()
        assert (admin.is_active, admin.email) == (True, "")
        assert AuditEvent.objects.filter(action="user.change", result="own_account").exists()

    def test_nobody_changes_the_own_password(self, api_for, staff, admin):
        for who in (staff, admin):
            answer = send(api_for(who, permissions=("vnc",)), "patch", one(who), {"password": GOOD, "email": "a@b.org"})
            assert (answer.status_code, answer.json()["slug"], named(answer)) == (409, "own_password", ["password"])
            who.refresh_from_db()
            assert (who.check_password(GOOD), who.email) == (False, "")
        assert AuditEvent.objects.filter(action="user.change", result="own_password").count() == 2

    def test_staff_changes_no_other_staff(self, api_for, staff, alice, admin):
        User.objects.filter(pk=alice.pk).update(is_staff=True)
        for body in ({"password": GOOD}, {"is_active": False}, {"email": "x@example.org"}):
            assert send(api_for(staff), "patch", one(alice), body).json()["slug"] == "superusers_only"
        assert api_for(staff).delete(one(alice)).json()["slug"] == "superusers_only"
        assert send(api_for(staff), "patch", one(staff), {"email": "x@example.org"}).status_code == 200
        assert send(api_for(admin), "patch", one(alice), {"password": GOOD}).status_code == 200

    def test_staff_changes_no_superuser_and_makes_no_staff(self, api_for, staff, alice, admin):
        for body in ({"password": GOOD}, {"is_active": False}, {"email": "x@example.org"}):
            answer = send(api_for(staff), "patch", one(admin), body)
            assert (answer.status_code, answer.json()["slug"]) == (403, "superusers_only")
        assert send(api_for(staff), "patch", one(alice), {"is_staff": True}).status_code == 403
        assert send(api_for(staff), "patch", one(alice), {"is_staff": False, "email": "x@example.org"}).json()["email"]
        assert send(api_for(admin), "patch", one(alice), {"is_staff": True}).json()["is_staff"] is True


class TestGroups:
    @pytest.fixture
    def groups(self):
        return [Group.objects.create(name=name) for name in ("b", "a")]

    def test_by_name(self, api_for, alice, admin, groups):
        api = api_for(admin)
        response = send(api, "post", USERS, {"username": "carol", "password": GOOD, "groups": ["b", "a"]})
        assert (response.status_code, response.json()["groups"]) == (201, ["a", "b"])
        assert send(api, "patch", one(alice), {"groups": ["a"]}).json()["groups"] == ["a"]
        assert send(api, "patch", one(alice), {"email": "a@example.org"}).json()["groups"] == [
            "a"
        ]  # not sent, so unchanged
        assert [row["username"] for row in api.get(USERS, {"group": "a"}).json()["results"]] == ["alice", "carol"]
        assert send(api, "patch", one(alice), {"groups": []}).json()["groups"] == []
        changes = AuditEvent.objects.filter(action="user.change", target="alice").order_by("pk")
        assert [event.details["fields"] for event in changes] == [["groups"], ["email"], ["groups"]]

    def test_staff_gives_no_rights_by_them(self, api_for, staff, alice, groups):
        for method, path, body in (
            ("patch", one(alice), {"groups": ["a"]}),
            ("patch", one(staff), {"groups": ["a"]}),
            ("post", USERS, {"username": "carol", "password": GOOD, "groups": ["a"]}),
        ):
            answer = send(api_for(staff), method, path, body)
            assert (answer.status_code, answer.json()["slug"], named(answer)) == (403, "superusers_only", ["groups"])
        assert send(api_for(staff), "patch", one(alice), {"groups": []}).status_code == 200  # unchanged


class TestDelete:
    def test_gone_with_tokens(self, api_for, alice, admin):
        text = tokens.issue(alice, scope=tokens.TokenScope("x"))
        answer = api_for(admin).delete(one(alice))
        assert (answer.status_code, answer.json()) == (200, {"status": "deleted", "id": str(alice.pk)})
        assert not User.objects.filter(username="alice").exists()
        with pytest.raises(tokens.TokenRefused):
            tokens.verify(text)
        assert AuditEvent.objects.get(action="user.delete").target == "alice"
        assert api_for(admin).delete(one(alice)).status_code == 404

    def test_not_while_desktops_are_there(self, api_for, make_desktop, alice, admin):
        make_desktop(alice)
        answer = api_for(admin).delete(one(alice))
        assert (answer.status_code, answer.json()["slug"]) == (409, "still_owns")
        assert answer.json()["detail"] == "This user still owns desktops, files or backups."
        assert AuditEvent.objects.get(action="user.delete").result == "still_owns"
        assert api_for(alice).get("/api/v1/quota").status_code == 200  # nothing was deleted

    def test_not_oneself_nor_a_superuser_by_staff(self, api_for, staff, admin):
        assert api_for(admin).delete(one(admin)).json()["slug"] == "own_account"
        assert api_for(staff).delete(one(admin)).json()["slug"] == "superusers_only"
        assert User.objects.count() == 2


class TestRefused:
    def test_anonymous(self, client, alice):
        for method, path in (("get", USERS), ("post", USERS), *((m, one(alice)) for m in ("get", "patch", "delete"))):
            assert getattr(client, method)(path).status_code == 401

    def test_all_others(self, api_for, alice, bob):
        for method, path in (("get", USERS), ("post", USERS), *((m, one(bob)) for m in ("get", "patch", "delete"))):
            answer = getattr(api_for(alice), method)(path)
            assert (answer.status_code, answer.json()["slug"]) == (403, "not_administrator")

    def test_each_method_has_its_permission(self, api_for, staff, alice):
        for codename, method, path in (
            ("view_user", "get", USERS),
            ("add_user", "post", USERS),
            ("view_user", "get", one(alice)),
            ("change_user", "patch", one(alice)),
            ("delete_user", "delete", one(alice)),
        ):
            staff.user_permissions.set(Permission.objects.filter(codename__endswith="_user").exclude(codename=codename))
            assert getattr(api_for(staff), method)(path).status_code == 403

    def test_other_methods(self, api_for, alice, admin):
        for method, path in (("put", USERS), ("patch", USERS), ("delete", USERS), ("post", one(alice))):
            assert getattr(api_for(admin), method)(path).status_code == 405

    def test_unknown_and_nonsense(self, api_for, admin):
        for name in (uuid4(), "1", "x" * 300, "9" * 5000):
            for method in ("get", "patch", "delete"):
                assert getattr(api_for(admin), method)(f"{USERS}/{name}").status_code == 404

    def test_unknown_query(self, api_for, alice, admin):
        for method in ("get", "patch", "delete"):
            answer = getattr(api_for(admin), method)(one(alice) + "?force=1")
            assert (answer.status_code, named(answer)) == (422, ["force"])
