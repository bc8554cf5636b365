"""Exports of the audit trail, from the admin and by `manage.py export_audit`."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import AsyncClient
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import audit, audit_export
from accounts.audit import Actor, Stranger
from accounts.models import AuditEvent, User

LIST = "/admin/accounts/auditevent/"
EXPORT = LIST + "export/"
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
# Django's test client is not an asynchronous server.
pytestmark = pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume asynchronous iterators")


@pytest.fixture
def trail(alice) -> None:
    audit.record("desktop.launch", by=Actor(alice, "192.0.2.1"), target="one", pod_name="vnc-one", name="büro")
    audit.record("desktop.launch", by=Actor(alice, "192.0.2.1"), target="two", result="quota_exceeded")
    audit.record("login.failed", by=Stranger("192.0.2.9"), target="alice")


@pytest.fixture
def many(db) -> int:
    """Create more than two batches of events, many with the same time."""
    moments = [NEW_YEAR + timedelta(seconds=number // 400) for number in range(1300)]
    AuditEvent.objects.bulk_create(AuditEvent(at=at, action="knock", target=str(n)) for n, at in enumerate(moments))
    return len(moments)


@pytest.fixture
def browser(admin, client_for):
    return client_for(admin)


def read(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def exported(*arguments: str) -> list[dict]:
    out = StringIO()
    call_command("export_audit", *arguments, stdout=out)
    return read(out.getvalue())


def downloaded(browser, query: str = "") -> list[dict]:
    answer = browser.get(EXPORT + query)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/x-ndjson"
    return read(b"".join(answer).decode())


def test_each_event_is_one_line(trail, alice):
    launch = exported()[-1]
    at = datetime.fromisoformat(launch.pop("at"))
    assert timezone.now() - at < timedelta(minutes=1)
    assert launch == {
        "id": AuditEvent.objects.earliest("pk").pk,
        "actor": "alice",
        "actor_id": str(alice.pk),
        "action": "desktop.launch",
        "target": "one",
        "pod_name": "vnc-one",
        "address": "192.0.2.1",
        "result": "done",
        "details": {"name": "büro"},
    }


def test_all_batches_newest_first_each_event_once(many):
    lines = exported()
    assert [line["target"] for line in lines] == [str(number) for number in reversed(range(many))]
    assert [line["at"] for line in lines] == sorted((line["at"] for line in lines), reverse=True)


def test_what_happens_meanwhile_shifts_nothing(many):
    texts = audit_export.lines(AuditEvent.objects.all())
    first = read(next(texts))
    audit.record("knock", by=None, target="late")
    lines = first + [line for text in texts for line in read(text)]
    assert [line["target"] for line in lines] == [str(number) for number in reversed(range(many))]


def test_one_query_at_a_time_and_no_more_rows_than_asked_for(many):
    texts = audit_export.lines(AuditEvent.objects.all())
    with CaptureQueriesContext(
        connection,
    ) as queries:
        batch = read(next(texts))
    assert len(queries) == 1
    assert len(batch) < many / 2


def test_nothing_told_is_an_empty_text(db):
    assert exported() == []


@pytest.mark.parametrize(
    "arguments, targets",
    [
        (["--action", "desktop.launch"], ["two", "one"]),
        (["--actor", "alice"], ["two", "one"]),
        (["--action", "desktop.launch", "--actor", "bob"], []),
        (["--pod-name", "vnc-one"], ["one"]),
        (["--since", "2026-01-01"], ["alice", "two", "one"]),
        (["--until", "2026-01-01T00:00:00+00:00"], []),
    ],
)
def test_command_selects(trail, arguments, targets):
    assert [line["target"] for line in exported(*arguments)] == targets


def test_command_finds_a_renamed_account_by_its_id(trail, alice):
    User.objects.filter(pk=alice.pk).update(username="alicia")
    assert [line["actor"] for line in exported("--actor", str(alice.pk))] == ["alice", "alice"]


def test_until_ends_before_that_moment_and_since_begins_at_it(many):
    moment = (NEW_YEAR + timedelta(seconds=1)).isoformat()
    before, after = exported("--until", moment), exported("--since", moment)
    assert (len(before), len(after)) == (400, many - 400)


def test_command_refuses_what_is_no_moment(db):
    with pytest.raises(CommandError, match="yesterday is not a valid time"):
        call_command("export_audit", "--since", "yesterday")


def test_list_has_a_button_that_takes_what_it_shows(browser, trail):
    page = browser.get(LIST + "?action=login.failed").content.decode()
    assert f'href="{EXPORT}?action=login.failed"' in page


@pytest.mark.parametrize(
    "query, targets",
    [
        ("", ["alice", "two", "one"]),
        ("?action=login.failed", ["alice"]),
        ("?result=quota_exceeded", ["two"]),
        ("?q=192.0.2.1", ["two", "one"]),
        ("?q=vnc-one", ["one"]),
        ("?q=büro", ["one"]),
        ("?q=launch&result=done", ["one"]),
        ("?o=1&action=desktop.launch", ["two", "one"]),  # the file does not use the order of the list
    ],
)
def test_admin_exports_what_the_filter_shows(browser, trail, query, targets):
    assert [line["target"] for line in downloaded(browser, query) if line["action"] != "audit.export"] == targets


def test_export_is_told_with_its_filter(browser, admin, trail):
    downloaded(browser, "?action=login.failed&q=a%00b")
    event = AuditEvent.objects.get(action="audit.export")
    assert (event.actor, event.address) == (admin, "127.0.0.1")
    assert event.details == {"filters": {"action": "login.failed", "q": "a�b"}}


def test_export_of_many_streams(browser, many):
    assert len(downloaded(browser, "?action=knock")) == many


@pytest.mark.django_db(transaction=True)
def test_export_streams_through_the_asynchronous_server(admin, many):
    async def fetch() -> list[bytes]:
        visitor = AsyncClient()
        await visitor.aforce_login(admin, backend="django.contrib.auth.backends.ModelBackend")
        answer = await visitor.get(EXPORT + "?action=knock")
        assert answer.is_async
        return [chunk async for chunk in answer.streaming_content]

    chunks = async_to_sync(fetch)()
    assert len(chunks) == 3
    assert len(read(b"".join(chunks).decode())) == many


@pytest.mark.parametrize("query", ["?nothing=1", "?at__gte=never"])
def test_export_with_a_filter_that_is_none_goes_back_to_the_list(browser, query):
    assert browser.get(EXPORT + query).url == LIST


def test_post_is_refused(browser):
    assert browser.post(EXPORT).status_code == 405


def test_stranger_finds_nothing(alice, client_for):
    assert client_for(alice).get(EXPORT, follow=True).status_code == 404


def test_staff_without_the_permission_may_not(alice, client_for):
    User.objects.filter(pk=alice.pk).update(is_staff=True)
    assert client_for(User.objects.get(pk=alice.pk)).get(EXPORT).status_code == 403


def test_staff_with_the_permission_may(alice, client_for, trail):
    User.objects.filter(pk=alice.pk).update(is_staff=True)
    alice.user_permissions.add(Permission.objects.get(codename="view_auditevent"))
    assert len(downloaded(client_for(User.objects.get(pk=alice.pk)))) == 4


def test_anonymous_goes_to_the_login_page(client, db):
    assert client.get(EXPORT, follow=True).request["PATH_INFO"] == "/accounts/login/"


@pytest.mark.parametrize("page", ["add/", "1/delete/"])
def test_admin_only_shows(browser, trail, page):
    event = AuditEvent.objects.latest("pk")
    assert browser.get(LIST + page.replace("1", str(event.pk))).status_code == 403


def test_admin_shows_one_event_without_a_form(browser, trail):
    event = AuditEvent.objects.latest("pk")
    page = browser.get(f"{LIST}{event.pk}/change/")
    assert page.status_code == 200
    assert browser.post(f"{LIST}{event.pk}/change/", {"action": "nothing"}).status_code == 403
    assert 'name="_save"' not in page.content.decode()


def test_admin_offers_no_action_that_deletes(browser, trail):
    event = AuditEvent.objects.latest("pk")
    browser.post(LIST, {"action": "delete_selected", "_selected_action": [event.pk], "post": "yes"}, follow=True)
    assert AuditEvent.objects.count() == 3
