"""The audit trail is written with the action, records refusals, and is append-only for every database role."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from accounts import audit, services, ssh_keys
from accounts.audit import Actor, Stranger, audited
from accounts.models import AppendOnly, AuditEvent, User
from core.errors import Refusal


class Late(Refusal):
    slug = "too_late"


@pytest.fixture
def by(alice) -> Actor:
    return Actor(alice, "192.0.2.7")


@audited("shelf.tidy", target=lambda given: given["shelf"])
@transaction.atomic
def tidy(*, by: Actor, shelf: str, late: bool = True) -> str:
    audit.record("shelf.tidy", by=by, target=shelf)
    if late:
        raise Late
    return shelf


@audited("room.tidy", target=lambda given: given["room"])
@transaction.atomic
def tidy_room(*, by: Actor, room: str, late: bool) -> None:
    tidy(by=by, shelf="in " + room, late=late)


def audit_events() -> list[tuple[str, str, str]]:
    return list(AuditEvent.objects.order_by("pk").values_list("action", "target", "result"))


@pytest.fixture
def event(by) -> AuditEvent:
    audit.record("shelf.tidy", by=by, target="left", books=3)
    return AuditEvent.objects.get()


def test_who_what_where_and_with_what_result(event, alice):
    assert (event.actor, event.actor_name, event.address) == (alice, "alice", "192.0.2.7")
    assert (event.action, event.target, event.result, event.details) == ("shelf.tidy", "left", "done", {"books": 3})


def test_strangers_and_podesk_itself_have_no_name(db):
    audit.record("knock", by=Stranger("192.0.2.8"))
    audit.record("sweep", by=None)
    assert list(AuditEvent.objects.order_by("pk").values_list("actor", "actor_name", "address")) == [
        (None, "", "192.0.2.8"),
        (None, "", None),
    ]


def test_deed_that_is_done_is_told_once(by):
    assert tidy(by=by, shelf="left", late=False) == "left"
    assert audit_events() == [("shelf.tidy", "left", "done")]


@pytest.mark.django_db(transaction=True)
def test_refused_deed_is_told_after_its_rollback(by):
    with pytest.raises(Late):
        tidy(by=by, shelf="left")
    assert audit_events() == [("shelf.tidy", "left", "too_late")]
    event = AuditEvent.objects.get()
    assert (event.actor, event.address) == (by.user, "192.0.2.7")


@pytest.mark.django_db(transaction=True)
def test_refused_to_somebody_whose_account_is_gone(by, admin):
    services.delete_user(user=User.objects.get(pk=by.user.pk), by=Actor(admin))
    with pytest.raises(Late):
        tidy(by=by, shelf="left")
    event = AuditEvent.objects.latest("pk")
    assert (event.actor, event.actor_name, event.address, event.result) == (None, "alice", "192.0.2.7", "too_late")


@pytest.mark.django_db(transaction=True)
def test_of_services_that_call_each_other_the_outer_tells(by):
    tidy_room(by=by, room="attic", late=False)
    with pytest.raises(Late):
        tidy_room(by=by, room="attic", late=True)
    assert audit_events() == [("shelf.tidy", "in attic", "done"), ("room.tidy", "attic", "too_late")]


@pytest.mark.django_db(transaction=True)
def test_refusal_that_a_wider_transaction_survives_is_kept_with_it(by):
    with transaction.atomic():
        for shelf in ("left", "right"):
            with pytest.raises(Late):
                tidy(by=by, shelf=shelf)
    assert audit_events() == [("shelf.tidy", "left", "too_late"), ("shelf.tidy", "right", "too_late")]


@pytest.mark.django_db(transaction=True)
def test_deed_that_is_rolled_back_leaves_no_event(by):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        services.sign_out_everywhere(user=by.user, by=by)
        assert audit_events()
        raise ZeroDivisionError
    assert audit_events() == []


@pytest.mark.parametrize("target", ["a\0b", "a\ud800b", "a\nb"])
def test_target_that_no_database_takes_is_told_with_a_mark(by, target):
    audit.record("shelf.tidy", by=by, target=target)
    assert AuditEvent.objects.get().target == "a�b"


def test_pasted_private_key_is_refused_and_not_in_the_trail(by):
    with pytest.raises(ssh_keys.KeyRefused):
        ssh_keys.add_key(by=by, text="-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0", name="mine")
    assert audit_events() == [("ssh_key.add", "", "ssh_key_refused")]
    assert AuditEvent.objects.get().details == {}


@pytest.mark.parametrize(
    "attempt",
    [
        lambda event: event.save(),
        lambda event: event.delete(),
        lambda event: AuditEvent.objects.update(action="nothing"),
        lambda event: AuditEvent.objects.filter(pk=event.pk).delete(),
        lambda event: AuditEvent.objects.all().delete(),
        lambda event: AuditEvent.objects.bulk_update([event], ["action"]),
        lambda event: AuditEvent.objects.update_or_create(pk=event.pk, defaults={"action": "nothing"}),
        lambda event: event.actor.auditevent_set.update(action="nothing"),
    ],
)
def test_model_refuses_to_change_what_was_told(event, attempt):
    with pytest.raises(AppendOnly):
        attempt(event)
    assert audit_events() == [("shelf.tidy", "left", "done")]


FIELDS: dict[str, Any] = {
    "at": timezone.now() - timedelta(days=1),
    "actor_id": "other",
    "actor_name": "bob",
    "action": "nothing",
    "target": "",
    "pod_name": "vnc-other",
    "address": None,
    "result": "too_late",
    "details": "{}",
    "id": 4711,
}


@pytest.mark.parametrize("field", [field.attname for field in AuditEvent._meta.fields])
def test_database_refuses_to_change_any_field(event, bob, field):
    value = bob.pk.hex if field == "actor_id" else FIELDS[field]
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE accounts_auditevent SET {field} = %s", [value])
    assert audit_events() == [("shelf.tidy", "left", "done")]


def test_database_refuses_to_hide_a_change_behind_an_emptied_actor(event):
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_auditevent SET actor_id = NULL, actor_name = 'bob'")


def test_database_refuses_what_the_plain_manager_would_do(event):
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        AuditEvent._base_manager.filter(pk=event.pk).update(result="too_late")


@pytest.mark.postgres
@pytest.mark.parametrize("where", ["", " WHERE actor_name = 'alice'", " USING accounts_user WHERE true"])
def test_postgresql_refuses_to_delete(event, where):
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM accounts_auditevent{where}")
    assert audit_events() == [("shelf.tidy", "left", "done")]


@pytest.mark.postgres
@pytest.mark.parametrize("table", ["accounts_auditevent", "accounts_user CASCADE"])
def test_postgresql_refuses_to_empty_it(event, table):
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        # Enable the trigger, which conftest.py disables. PostgreSQL cannot alter a table with deferred checks pending.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE accounts_auditevent ENABLE TRIGGER accounts_auditevent_no_truncate")
        cursor.execute(f"TRUNCATE {table}")
    assert audit_events() == [("shelf.tidy", "left", "done")]


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("attempt", "answer"),
    [
        ("DELETE FROM accounts_auditevent", "append-only"),
        ("TRUNCATE accounts_auditevent", "permission denied"),
        ("ALTER TABLE accounts_auditevent DISABLE TRIGGER ALL", "must be owner"),
        ("DROP TRIGGER accounts_auditevent_append_only ON accounts_auditevent", "must be owner"),
    ],
)
def test_role_that_owns_nothing_can_only_add(event, by, attempt, answer):
    """Create the role as docs/security.md describes it."""
    page = (Path(settings.BASE_DIR) / "docs/security.md").read_text()
    (statements,) = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    with pytest.raises(DatabaseError, match=answer), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SELECT current_user")
        cursor.execute(
            statements.replace("ROLE podesk ", f"ROLE {cursor.fetchone()[0]} ") + "SET LOCAL ROLE podesk_app"
        )
        audit.record("shelf.tidy", by=by, target="right")
        assert len(audit_events()) == 2
        cursor.execute(attempt)


def test_name_stays_when_the_account_is_deleted(event, admin):
    services.delete_user(user=event.actor, by=Actor(admin))
    kept = AuditEvent.objects.get(pk=event.pk)
    assert (kept.actor, kept.actor_name) == (None, "alice")
    assert not User.objects.filter(username="alice").exists()


@pytest.mark.parametrize(
    "search, index",
    [
        ({"action": "login"}, "audit_by_action"),
        ({"actor_name": "alice"}, "audit_by_actor"),
        ({"target": "left"}, "audit_by_target"),
        ({"pod_name": "vnc-a"}, "audit_by_pod"),
        ({"at__gte": timezone.now()}, "audit_by_time"),
    ],
)
def test_each_search_has_an_index_and_sorts_nothing(by, search, index):
    AuditEvent.objects.bulk_create(
        AuditEvent(action=f"deed.{n % 50}", actor_name=f"n{n}", target=str(n), pod_name=f"vnc-{n}") for n in range(3000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    plan = AuditEvent.objects.filter(**search)[:50].explain()
    assert index in plan, plan
    assert "TEMP B-TREE FOR ORDER BY" not in plan, plan  # on SQLite
    assert "Sort" not in plan, plan  # on PostgreSQL
