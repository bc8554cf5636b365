"""Tests of `DELETE pods/<pod_name>`."""

import pytest

from accounts.models import AuditEvent
from desktops.models import Desktop, Status
from desktops.tests.support.api_client import fields, script_of

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("asked", "kept"), [("", True), ("?keep_data=true", True), ("?keep_data=false", False)])
def test_deletes(alice, make_desktop, asked, kept):
    desktop = make_desktop(alice, status=Status.RUNNING)
    answer = script_of(alice).delete(f"pods/{desktop.object_name}{asked}")
    assert (answer.status_code, answer.json()) == (
        202,
        {"status": "deleted", "pod_name": desktop.object_name, "backup_task": None},
    )
    desktop.refresh_from_db()
    assert (desktop.status, desktop.keep_data) == (Status.DELETING, kept)


def test_twice_is_once(alice, make_desktop):
    address = f"pods/{make_desktop(alice).object_name}"
    assert [script_of(alice).delete(address).status_code for _ in range(2)] == [202, 202]


def test_asked_again_without_the_files_they_go(alice, make_desktop):
    script, address = script_of(alice), f"pods/{make_desktop(alice).object_name}"
    for asked in ("", "?keep_data=false", ""):
        assert script.delete(f"{address}{asked}").status_code == 202
    assert not Desktop.objects.get().keep_data
    events = AuditEvent.objects.filter(action="desktop.delete").order_by("pk")
    assert [event.details["keep_data"] for event in events] == [True, False]


@pytest.mark.parametrize("asked", ["keep_data=perhaps", "wait=-1", "force=true"])
def test_nonsense_deletes_nothing(alice, make_desktop, asked):
    desktop = make_desktop(alice)
    answer = script_of(alice).delete(f"pods/{desktop.object_name}?{asked}")
    assert (answer.status_code, fields(answer)) == (422, [asked.partition("=")[0]])
    assert Desktop.objects.get().status == Status.STOPPED


def test_strangers_find_nothing(alice, bob, admin, make_desktop):
    address = f"pods/{make_desktop(alice).object_name}"
    assert [script_of(user).delete(address).status_code for user in (bob, admin)] == [404, 404]
    assert script_of(None).delete(address).status_code == 401
    assert Desktop.objects.get().status == Status.STOPPED


def test_a_token_for_one_desktop_deletes_nothing(alice, make_desktop):
    desktop = make_desktop(alice)
    assert script_of(alice, pod_name=desktop.object_name).delete(f"pods/{desktop.object_name}").status_code == 403
