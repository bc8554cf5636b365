"""Tests of `POST pods/<pod_name>/password`, and of the password in the answer to a create."""

import pytest

from accounts.models import AuditEvent
from core import encryption
from desktops.models import Status
from desktops.tests.support.api_client import fields, script_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def nodeport(settings):
    settings.DESKTOP_EXPOSURE = "nodeport"


@pytest.fixture
def desktop(alice, make_desktop):
    return make_desktop(
        alice,
        status=Status.RUNNING,
        exposed_host="10.9.8.7",
        exposed_vnc=30001,
        vnc_password_sealed=encryption.encrypt("pass1234"),
    )


def ask_for_password(user, desktop, **scope):
    return script_of(user, **scope).post(f"pods/{desktop.object_name}/password")


def shown() -> int:
    return AuditEvent.objects.filter(action="desktop.password_shown", result="done").count()


def test_is_told_and_noted(alice, desktop, nodeport):
    answer = ask_for_password(alice, desktop)
    assert answer.json() == {"pod_name": desktop.object_name, "vnc_password": "pass1234"}
    assert answer["Cache-Control"] == "no-store"
    assert shown() == 1


def test_through_the_portal_it_never_leaves_the_server(alice, desktop):
    answer = ask_for_password(alice, desktop)
    assert (answer.status_code, answer.json()["slug"]) == (404, "no_password")
    assert script_of(alice).post("pods/create").json()["access_info"]["vnc_password"] is None
    assert not shown()


def test_only_with_the_permission(alice, desktop, nodeport):
    assert ask_for_password(alice, desktop, permissions=("ssh",)).status_code == 403
    access = script_of(alice, permissions=("ssh",)).post("pods/create").json()["access_info"]
    assert (access["vnc_password"], access["vnc_port"], access["vnc_websocket"]) == (None, None, None)
    assert not shown()


def test_create_tells_it_and_that_is_noted_too(alice, desktop, nodeport):
    answer = script_of(alice).post("pods/create").json()
    assert answer["access_info"]["vnc_password"] == answer["desktop"]["access_info"]["vnc_password"] == "pass1234"
    assert shown() == 1


def test_not_while_it_does_not_run(alice, make_desktop, nodeport):
    answer = ask_for_password(alice, make_desktop(alice))
    assert (answer.status_code, answer.json()["slug"]) == (409, "not_running")


def test_one_that_cannot_be_read(alice, desktop, nodeport):
    type(desktop).objects.update(vnc_password_sealed="lost")
    assert ask_for_password(alice, desktop).json()["slug"] == "password_unreadable"
    assert script_of(alice).post("pods/create").json()["access_info"]["vnc_password"] is None


def test_who_may_not(alice, bob, admin, desktop, nodeport):
    assert [ask_for_password(user, desktop).status_code for user in (bob, admin, None)] == [404, 404, 401]
    assert ask_for_password(alice, desktop, pod_name=desktop.object_name).status_code == 403
    assert script_of(alice).get(f"pods/{desktop.object_name}/password").status_code == 405
    assert not shown()


def test_unknown_fields_are_refused_by_name(alice, desktop, nodeport):
    answer = script_of(alice).post(f"pods/{desktop.object_name}/password", {"new": "1"})
    assert (answer.status_code, fields(answer)) == (422, ["new"])
