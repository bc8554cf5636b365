"""Tests of `POST pods/<pod_name>/token`: a token for one desktop, which really opens its screen."""

from datetime import datetime, timedelta

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from accounts import tokens
from accounts.models import AuditEvent, SessionToken
from desktops.models import Status
from desktops.tests.proxy.conftest import (  # noqa: F401 - fixtures
    committed,
    folder,
    greet,
    lives,
    make_vnc_server,
    running_desktop,
    vnc_server,
)
from desktops.tests.support.api_client import fields, script_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def desktop(alice, make_desktop):
    return make_desktop(alice, status=Status.RUNNING, endpoint_kind="tcp")


def issued(user, desktop, body=None, **scope):
    return script_of(user, **scope).post(f"pods/{desktop.object_name}/token", body)


def test_is_bound_to_the_desktop(alice, desktop):
    answer = issued(alice, desktop)
    body = answer.json()
    claims = tokens.verify(body["token"])
    assert answer.status_code == 201
    assert (claims.pod_name, claims.session_id, claims.permissions) == (
        desktop.object_name,
        "sess_script",
        {"vnc", "ssh"},
    )
    assert claims.resource_quota == {"cpu": "1", "memory": "2Gi", "storage": "5Gi"}
    assert body["vnc_websocket"] == f"ws://testserver/ws/desktops/{desktop.pk}/vnc"
    assert body["ssh_websocket"] == f"ws://testserver/ws/desktops/{desktop.pk}/ssh"
    assert (body["header"], body["subprotocols"]) == ("X-User-Token", ["binary", f"podesk.token.{body['token']}"])
    assert (body["label"], body["refresh_until"]) == ("desktop", None)
    assert AuditEvent.objects.filter(action="token.issue", result="done").count() == 1


def test_less_than_the_token_that_asks(alice, desktop):
    body = issued(alice, desktop, {"permissions": ["ssh"], "lifetime": 60, "label": "backup"}).json()
    claims = tokens.verify(body["token"])
    assert (claims.permissions, claims.expires_at - claims.created_at) == ({"ssh"}, timedelta(minutes=1))
    assert (body["label"], body["vnc_websocket"]) == ("backup", None)
    assert body["ssh_websocket"]


def test_never_more_permissions(alice, desktop):
    answer = issued(alice, desktop, {"permissions": ["vnc", "ssh"]}, permissions=("vnc",))
    assert (answer.status_code, fields(answer)) == (403, ["permissions"])
    assert tokens.verify(issued(alice, desktop, permissions=("vnc",)).json()["token"]).permissions == {"vnc"}
    assert issued(alice, desktop, permissions=()).status_code == 403


def test_never_a_longer_life(alice, desktop):
    day = 24 * 3600
    answer = issued(alice, desktop, {"lifetime": 2 * day})
    assert (answer.status_code, fields(answer)) == (422, ["lifetime"])
    asking = SessionToken.objects.get(label="script", pod_name="")
    assert datetime.fromisoformat(issued(alice, desktop).json()["expires_at"]) <= asking.expires_at + timedelta(
        minutes=1
    )


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"permissions": []}, "permissions"),
        ({"permissions": ["root"]}, "permissions.0"),
        ({"permissions": "vnc"}, "permissions"),
        ({"lifetime": 0}, "lifetime"),
        ({"lifetime": "long"}, "lifetime"),
        ({"label": "x" * 101}, "label"),
        ({"pod_name": "other"}, "pod_name"),
    ],
)
def test_bad_input_names_the_field(alice, desktop, body, field):
    answer = issued(alice, desktop, body)
    assert answer.status_code == 422
    assert fields(answer)[0].startswith(field.partition(".")[0])
    assert not SessionToken.objects.filter(pod_name=desktop.object_name).exists()


def test_who_may_not(alice, bob, admin, desktop):
    assert [issued(user, desktop).status_code for user in (bob, admin, None)] == [404, 404, 401]
    assert issued(alice, desktop, pod_name=desktop.object_name).status_code == 403
    assert script_of(alice).get(f"pods/{desktop.object_name}/token").status_code == 405


# --- on a live server ---


def opened(server, desktop, body: dict, **options):
    return connect(server.url(f"/ws/desktops/{desktop.pk}/vnc"), compression=None, **options)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", ["header", "subprotocols"])
def test_opens_the_screen(live, alice, running_desktop, vnc_server, way):  # noqa: F811
    desktop = running_desktop(alice, vnc_server.path)
    body = issued(alice, desktop).json()
    header = {"additional_headers": {body["header"]: body["token"]}}
    with opened(live, desktop, body, **(header if way == "header" else {"subprotocols": body["subprotocols"]})) as vnc:
        assert lives(greet(vnc))


@pytest.mark.django_db(transaction=True)
def test_opens_no_other_screen(live, alice, running_desktop, vnc_server):  # noqa: F811
    mine, other = (running_desktop(alice, vnc_server.path, name=name) for name in ("mine", "other"))
    body = issued(alice, mine).json()
    with pytest.raises(InvalidStatus) as refused, opened(live, other, body, subprotocols=body["subprotocols"]):
        pass
    assert refused.value.response.status_code == 404
