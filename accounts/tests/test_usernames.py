"""A username is unique whatever its case and Unicode form: at sign-in, when accounts are added, and in the database."""

from importlib import import_module
from io import StringIO

import pytest
from axes.models import AccessAttempt
from django.apps import apps
from django.contrib.auth import authenticate
from django.core.checks import run_checks
from django.core.management import CommandError, ManagementUtility, call_command
from django.db import IntegrityError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.test import Client

from accounts.models import AuditEvent, User
from accounts.usernames import username_key

LOGIN = "/accounts/login/"
SPELLINGS = ["alice", "ALICE", "Alice", "\uff21lice"]  # the last begins with a full-width A
ALIKE = ["\u0430lice", "alice1", "al\u0131ce", "\u00e0lice"]  # Cyrillic a, a digit, a dotless i, an accent


def clashing(*names: str) -> list[User]:
    """Create accounts with clashing names, oldest first, as the migration leaves those from before the constraint."""
    users = User.objects.bulk_create(User(username=f"new-{number}") for number, _ in enumerate(names))
    User.objects.update(username_key=None)
    for user, name in zip(users, names, strict=True):
        User.objects.filter(pk=user.pk).update(username=name)
    schema_editor = type("Editor", (), {"connection": connection})
    import_module("accounts.migrations.0010_username_key").fill(apps, schema_editor)
    return [User.objects.get(pk=user.pk) for user in users]


def names() -> list[str]:
    return list(User.objects.order_by("date_joined", "pk").values_list("username", flat=True))


def resolve(*arguments: str) -> str:
    out = StringIO()
    call_command("resolve_username_clashes", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.parametrize("other", SPELLINGS)
def test_one_key(other):
    assert username_key(other) == "alice"


@pytest.mark.parametrize("other", ALIKE)
def test_names_that_only_look_alike_stay_different(alice, other):
    assert username_key(other) != "alice"
    assert User.objects.create_user(other).pk != alice.pk


@pytest.mark.parametrize("invisible", ["\u115f", "\u1160", "\u3164", "\uffa0"])
def test_invisible_letters_do_not_make_another_name(alice, invisible):
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create_user(f"al{invisible}ice")


def test_long_names_have_keys_of_their_own():
    one, other = "\ufdfa" * 150, "\ufdfa" * 149 + "a"
    assert len(username_key(one)) == len(username_key(other)) == 255
    assert username_key(one) != username_key(other)


class TestDatabase:
    @pytest.mark.parametrize("name", SPELLINGS)
    def test_refuses_a_second_account(self, alice, name):
        with pytest.raises(IntegrityError), transaction.atomic():
            User(username=name).save()
        with pytest.raises(IntegrityError), transaction.atomic():
            User.objects.bulk_create([User(username=name)])

    @pytest.mark.parametrize("fields", [None, ["username"]])
    def test_follows_a_renaming(self, alice, fields):
        alice.username = "Carol"
        alice.save(update_fields=fields)
        assert User.objects.get(pk=alice.pk).username_key == "carol"
        assert User.objects.named("ALICE") is None


class TestSigningIn:
    @pytest.mark.parametrize("name", SPELLINGS)
    def test_any_spelling(self, alice, client, name):
        assert client.post(LOGIN, {"username": name, "password": "alice's password"}).status_code == 302
        assert AuditEvent.objects.get().actor_name == "alice"

    @pytest.mark.parametrize("name", SPELLINGS)
    def test_token_by_any_spelling(self, alice, client, name):
        body = {"username": name, "password": "alice's password"}
        answer = client.post("/api/v1/auth/token", body, content_type="application/json")
        assert answer.status_code in (200, 201)

    @pytest.mark.parametrize("name", ALIKE)
    def test_not_by_one_that_looks_alike(self, alice, client, name):
        assert client.post(LOGIN, {"username": name, "password": "alice's password"}).status_code == 200

    @pytest.mark.django_db(transaction=True)
    async def test_any_spelling_under_asgi(self, alice, async_client):
        answer = await async_client.post(LOGIN, {"username": "ALICE", "password": "alice's password"})
        assert answer.status_code == 302

    def test_of_clashing_accounts_the_exact_name_comes_first(self, db, rf):
        for user in clashing("Ann", "ann"):
            user.set_password(f"password of {user.username}")
            user.save()
        for name in ("Ann", "ann"):
            assert authenticate(rf.get("/"), username=name, password=f"password of {name}").username == name
        assert authenticate(rf.get("/"), username="ANN", password="password of Ann").username == "Ann"
        assert authenticate(rf.get("/"), username="ANN", password="password of ann") is None


class TestLockOut:
    def test_spellings_count_together(self, alice, client):
        tries = [*SPELLINGS, "aLICE"]
        codes = [client.post(LOGIN, {"username": name, "password": "wrong"}).status_code for name in tries]
        assert codes == [200, 200, 200, 200, 429]
        answer = client.post(LOGIN, {"username": "alicE", "password": "alice's password"})
        assert answer.status_code == 429
        assert int(answer.headers["Retry-After"]) > 800
        assert set(AuditEvent.objects.values_list("target", flat=True)) == {"alice"}

    def test_api_and_page_count_together(self, alice, client):
        for name in ("alice", "ALICE", "Alice", "aLice"):
            client.post(LOGIN, {"username": name, "password": "wrong"})
        body = {"username": "alIce", "password": "wrong"}
        client.post("/api/v1/auth/token", body, content_type="application/json")
        answer = client.post("/api/v1/auth/token", body, content_type="application/json")
        assert (answer.status_code, answer.json()["slug"]) == (429, "locked_out")

    def test_success_and_unlocking_forget_all_spellings(self, alice, admin, client, client_for):
        for name in SPELLINGS:
            client.post(LOGIN, {"username": name, "password": "wrong"})
        Client().post(LOGIN, {"username": "ALICE", "password": "alice's password"})
        assert not AccessAttempt.objects.exists()
        client.post(LOGIN, {"username": "ALICE", "password": "wrong"})
        chosen = {"action": "unlock", "_selected_action": [str(alice.pk)]}
        client_for(admin).post("/admin/accounts/user/", chosen)
        assert not AccessAttempt.objects.exists()


class TestAdding:
    @pytest.mark.parametrize("name", SPELLINGS)
    def test_page(self, alice, admin, client_for, name):
        form = {"username": name, "password1": "n3w-one!x", "password2": "n3w-one!x", "usable_password": "true"}
        answer = client_for(admin).post("/admin/accounts/user/add/", form)
        assert "A user with that username already exists." in answer.content.decode()
        assert User.objects.count() == 2

    @pytest.mark.parametrize("name", SPELLINGS)
    def test_api(self, alice, admin, api_for, name):
        body = {"username": name, "password": "n3w-one!x"}
        answer = api_for(admin).post("/api/v1/admin/users", body, content_type="application/json")
        assert (answer.status_code, answer.json()["slug"]) == (409, "username_taken")

    def test_renaming_on_the_page(self, alice, bob, admin, client_for):
        page = client_for(admin)
        address = f"/admin/accounts/user/{bob.pk}/change/"
        form = page.get(address).context["adminform"].form
        sent = {name: value for name, value in form.initial.items() if isinstance(value, str)}
        sent |= {"username": "ALICE", "is_active": "on", "date_joined_0": "2026-01-01", "date_joined_1": "10:00"}
        management = {"quota-TOTAL_FORMS": "0", "quota-INITIAL_FORMS": "0"}
        assert "A user with that username already exists." in page.post(address, sent | management).content.decode()
        assert page.post(address, sent | management | {"username": "BOB"}).status_code == 302
        assert User.objects.get(pk=bob.pk).username == "BOB"

    def test_createsuperuser(self, alice, monkeypatch):
        monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "n3w-one!x")
        with pytest.raises(CommandError, match="already taken"):
            call_command("createsuperuser", "--noinput", username="ALICE", email="a@example.org")

    def test_first_administrator_beside_an_account_of_that_name(self, db):
        User.objects.create_user("Admin")
        call_command("ensure_admin", stdout=StringIO())
        made = User.objects.get(is_superuser=True)
        assert made.username.startswith("admin-")


class TestClashes:
    @pytest.fixture(autouse=True)
    def quota(self, first_rows):
        """Create the default quota. Without it there is another warning."""

    def test_nothing_to_tell(self, alice, bob):
        assert run_checks(databases=["default"]) == []
        assert resolve("--apply") == "No usernames clash.\n"

    def test_the_fill_gives_the_oldest_the_key(self):
        users = clashing("Ann", "ann", "ANN", "bob")
        assert [user.username_key for user in users] == ["ann", None, None, "bob"]

    def test_the_check_lists_them(self):
        clashing("Ann", "ann", "bob", "BOB", "carol")
        found = run_checks(databases=["default"])
        assert [(warning.id, bool(warning.hint)) for warning in found] == [("accounts.W002", True)] * 2
        assert [warning.msg.partition(": ")[2] for warning in found] == ["Ann, ann.", "bob, BOB."]

    def test_one_that_is_left_alone_gets_its_key_too(self):
        older, newer = clashing("Ann", "ann")
        older.delete()
        (found,) = run_checks(databases=["default"])
        assert "ann no longer clashes with another" in found.msg
        resolve("--apply")
        newer.refresh_from_db()
        assert (newer.username, newer.username_key) == ("ann", "ann")
        assert not AuditEvent.objects.exists()

    def test_clashing_accounts_are_saved_as_before(self):
        for user in clashing("Ann", "ann"):
            user.first_name = "Ann"
            user.full_clean(exclude=["password"])
            user.save()
        assert names() == ["Ann", "ann"]

    def test_a_third_is_refused_all_the_same(self):
        clashing("Ann", "ann")
        with pytest.raises(IntegrityError), transaction.atomic():
            User.objects.create_user("ANN")

    def test_without_apply_nothing_changes(self):
        clashing("Ann", "ann")
        said = resolve()
        assert "ann-2" in said and "Nothing was changed" in said
        assert names() == ["Ann", "ann"]

    def test_the_oldest_keeps_its_name(self):
        clashing("Ann", "ann", "ANN")
        resolve("--apply")
        assert names() == ["Ann", "ann-2", "ANN-3"]
        events = AuditEvent.objects.filter(action="user.rename").order_by("pk")
        assert [(event.target, event.details["old"]) for event in events] == [("ann-2", "ann"), ("ANN-3", "ANN")]
        assert run_checks(databases=["default"]) == []
        assert not User.objects.filter(username_key=None).exists()

    def test_a_name_that_is_taken_is_passed_over(self):
        clashing("Ann", "ann", "Ann-2")
        resolve("--apply")
        assert names() == ["Ann", "ann-3", "Ann-2"]

    def test_explicit_choice(self):
        clashing("Ann", "ann", "bob", "BOB")
        resolve("--apply", "--keep", "ann", "--rename", "bob=robert")
        assert names() == ["Ann-2", "ann", "robert", "BOB"]
        assert User.objects.named("ANN").username == "ann"
        assert User.objects.named("bob").username == "BOB"

    @pytest.mark.parametrize(
        "choice",
        [
            ("--keep", "nobody"),
            ("--keep", "Ann", "--keep", "ann"),
            ("--keep", "ann", "--rename", "ann=x"),
            ("--rename", "ann=BOB"),
            ("--rename", "ann=a b"),
            ("--rename", "ann"),
        ],
    )
    def test_a_choice_that_cannot_be_followed_changes_nothing(self, choice):
        clashing("Ann", "ann", "bob")
        with pytest.raises(CommandError):
            resolve("--apply", *choice)
        assert names() == ["Ann", "ann", "bob"]

    def test_a_renaming_without_a_new_name_is_refused_in_a_line(self, capsys):
        with pytest.raises(SystemExit):
            ManagementUtility(["manage.py", "resolve_username_clashes", "--rename", "ann"]).execute()
        assert "ann is not of the form OLD=NEW." in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.django_db(transaction=True)
def test_migration_runs_where_names_clash():
    """Run the real migration on the real tables of the previous version."""
    ours, before = "accounts", [("accounts", "0009_ssh_keys_version")]
    leaf = [node for node in MigrationExecutor(connection).loader.graph.leaf_nodes() if node[0] == ours]
    try:
        MigrationExecutor(connection).migrate(before)
        old = MigrationExecutor(connection).loader.project_state(before).apps.get_model(ours, "User")
        for name in ("Ann", "ann", "\uff21NN", "bob"):
            old.objects.create(username=name)
    finally:
        MigrationExecutor(connection).migrate(leaf)
    keys = User.objects.order_by("date_joined").values_list("username", "username_key")
    assert list(keys) == [("Ann", "ann"), ("ann", None), ("\uff21NN", None), ("bob", "bob")]
    resolve("--apply")
    assert not User.objects.filter(username_key=None).exists()
