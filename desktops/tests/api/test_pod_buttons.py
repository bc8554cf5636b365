"""Tests of `POST pods/<pod_name>/start|stop|restart|extend`."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import AuditEvent, Quota
from desktops.models import Desktop, Status
from desktops.tests.support.api_client import fields, script_of

pytestmark = pytest.mark.django_db
VERBS = ("start", "stop", "restart", "extend")


@pytest.fixture
def press(alice):
    def post(verb: str, desktop: Desktop, user=alice, **options):
        return script_of(user).post(f"pods/{desktop.object_name}/{verb}", **options)

    return post


@pytest.mark.parametrize(
    ("verb", "status", "code", "then"),
    [
        ("start", Status.STOPPED, 202, Status.PENDING),
        ("start", Status.FAILED, 202, Status.PENDING),
        ("start", Status.RUNNING, 200, Status.RUNNING),
        ("start", Status.STOPPING, 409, Status.STOPPING),
        ("stop", Status.RUNNING, 202, Status.STOPPING),
        ("stop", Status.PENDING, 202, Status.STOPPING),
        ("stop", Status.STOPPED, 200, Status.STOPPED),
        ("restart", Status.RUNNING, 202, Status.STOPPING),
        ("restart", Status.STOPPED, 202, Status.PENDING),
        ("restart", Status.DELETING, 409, Status.DELETING),
        ("extend", Status.RUNNING, 200, Status.RUNNING),
        ("extend", Status.STOPPED, 409, Status.STOPPED),
        ("extend", Status.STARTING, 409, Status.STARTING),
    ],
)
def test_what_becomes_of_it(alice, make_desktop, press, verb, status, code, then):  # noqa: PLR0917 - one row
    desktop = make_desktop(alice, status=status)
    answer = press(verb, desktop)
    assert answer.status_code == code, answer.content
    if code < 400:
        assert answer.json()["pod_name"] == desktop.object_name
        assert answer.json()["desktop"]["status"] == then
    else:
        assert answer.json()["next_step"]
    desktop.refresh_from_db()
    assert desktop.status == then


@pytest.mark.parametrize("verb", VERBS)
def test_who_may_not(alice, bob, admin, make_desktop, press, verb):
    desktop = make_desktop(alice, status=Status.RUNNING)
    assert [press(verb, desktop, user=user).status_code for user in (bob, admin, None)] == [404, 404, 401]
    bound = script_of(alice, pod_name=desktop.object_name)
    assert bound.post(f"pods/{desktop.object_name}/{verb}").status_code == 403
    assert script_of(alice).get(f"pods/{desktop.object_name}/{verb}").status_code == 405
    desktop.refresh_from_db()
    assert desktop.status == Status.RUNNING


@pytest.mark.parametrize("verb", VERBS)
def test_unknown_fields_are_refused_by_name(alice, make_desktop, press, verb):
    desktop = make_desktop(alice, status=Status.RUNNING)
    assert fields(press(verb, desktop, body={"force": True})) == ["force"]
    assert fields(script_of(alice).post(f"pods/{desktop.object_name}/{verb}?force=1")) == ["force"]
    assert Desktop.objects.get().status == Status.RUNNING


def test_start_over_quota_names_no_field(alice, make_desktop, press):
    Quota.objects.create(user=alice, cpu=1, memory_mib=1024, storage_gib=99, desktops=5)
    answer = press("start", make_desktop(alice))
    assert (answer.status_code, answer.json()["slug"], fields(answer)) == (409, "quota_exceeded", [])


# --- extend ---


def limited(user, minutes: int) -> None:
    Quota.objects.create(user=user, max_lifetime_minutes=minutes)


def test_extend_counts_from_now(alice, make_desktop, press):
    limited(alice, 60)
    desktop = make_desktop(alice, status=Status.RUNNING, expires_at=timezone.now() + timedelta(minutes=5))
    body = press("extend", desktop).json()["desktop"]
    desktop.refresh_from_db()
    left = desktop.expires_at - timezone.now()
    assert timedelta(minutes=59) < left <= timedelta(minutes=60)
    assert body["expires_at"][:19] == desktop.expires_at.isoformat()[:19]
    assert AuditEvent.objects.get(action="desktop.extend").target == str(desktop.pk)


def test_extend_shortens_nothing(alice, make_desktop, press):
    limited(alice, 60)
    later = timezone.now() + timedelta(days=1)
    desktop = make_desktop(alice, status=Status.RUNNING, expires_at=later)
    endless = make_desktop(alice, name="endless", status=Status.RUNNING, expires_at=None)
    assert press("extend", endless).json()["desktop"]["expires_at"] is None
    press("extend", desktop)
    desktop.refresh_from_db()
    assert desktop.expires_at == later


def test_extend_where_no_limit_holds_any_more(alice, make_desktop, press):
    limited(alice, 0)
    desktop = make_desktop(alice, status=Status.RUNNING, expires_at=timezone.now() + timedelta(minutes=5))
    answer = press("extend", desktop)
    assert (answer.status_code, answer.json()["desktop"]["expires_at"]) == (200, None)


@pytest.mark.parametrize("value", [0, "false", None])
def test_new_files_is_true_or_false(alice, make_desktop, press, value):
    answer = press("start", make_desktop(alice), body={"new_files": value})
    assert (answer.status_code, fields(answer)) == (422, ["new_files"])
