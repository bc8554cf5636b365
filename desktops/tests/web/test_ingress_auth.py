"""Direct access by ingress: `open-directly/` sets a cookie, and the ingress controller asks `gate/` per request."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts import tokens
from accounts.models import AuditEvent, SessionToken
from core.redis import client as redis_client
from desktops import token_scopes
from desktops.models import Status

BROWSER = "http://testserver"


@pytest.fixture(autouse=True)
def by_ingress(settings):
    settings.DESKTOP_EXPOSURE = "ingress"


@pytest.fixture
def desktop(alice, make_desktop):
    return make_desktop(alice, status=Status.RUNNING)


@pytest.fixture
def token(alice, desktop):
    def make(of=desktop, user=alice, permissions=("vnc",), **options) -> str:
        scope = token_scopes.desktop_token_scope(of, session_id="sess_1", permissions=permissions)
        return tokens.issue(user, scope=scope, **options)

    return make


def asks(desktop, text: str = "", **headers: str) -> int:
    """Request `gate/` as the controller does, without a login or redirect. Return the status."""
    client = Client()
    if text:
        client.cookies["podesk_direct"] = text
    answer = client.get(f"/desktops/{desktop.pk}/gate/", headers=headers)
    assert answer.content == b""
    assert "no-store" in answer["Cache-Control"]
    assert "Location" not in answer
    return answer.status_code


def opened(client, desktop):
    return client.post(f"/desktops/{desktop.pk}/open-directly/")


# --- open-directly ---


def test_the_browser_gets_a_cookie_for_that_desktops_path_and_goes_there(client_for, alice, desktop):
    answer = opened(client_for(alice), desktop)
    path = f"direct/{desktop.pk}"
    assert (answer.status_code, answer["Location"]) == (
        303,
        f"/{path}/vnc.html?path={path}/websockify&autoconnect=1&resize=remote",
    )
    assert "no-store" in answer["Cache-Control"]
    cookie = answer.cookies["podesk_direct"]
    assert cookie["path"] == f"/{path}/"
    assert (cookie["httponly"], cookie["samesite"], cookie["secure"]) == (True, "Strict", "")
    claims = tokens.verify(cookie.value)
    assert (claims.pod_name, claims.permissions) == (desktop.object_name, {"vnc"})
    assert cookie["max-age"] == (claims.expires_at - claims.created_at).total_seconds()
    event = AuditEvent.objects.get(action="token.issue")
    assert (event.actor, event.details["id"], event.details["permissions"]) == (alice, claims.jti, ["vnc"])
    assert asks(desktop, cookie.value) == 204


def test_over_https_the_cookie_is_secure(settings, client_for, alice, desktop):
    settings.HTTPS = True
    assert opened(client_for(alice), desktop).cookies["podesk_direct"]["secure"] is True


def test_it_lives_no_longer_than_the_login(settings, client_for, alice, desktop):
    settings.TOKEN_LIFETIME, settings.SESSION_COOKIE_AGE = 3600, 600
    assert 590 <= opened(client_for(alice), desktop).cookies["podesk_direct"]["max-age"] <= 600
    settings.SESSION_COOKIE_AGE = 7200
    assert opened(client_for(alice), desktop).cookies["podesk_direct"]["max-age"] == 3600


def test_logging_out_closes_the_gate(client_for, alice, desktop):
    browser = client_for(alice)
    cookie = opened(browser, desktop).cookies["podesk_direct"].value
    other = opened(client_for(alice), desktop).cookies["podesk_direct"].value
    browser.post("/accounts/logout/")
    assert asks(desktop, cookie) == 401
    assert asks(desktop, other) == 204  # the login of another browser stays valid


@pytest.mark.parametrize("status", [status for status in Status if status != Status.RUNNING])
def test_one_that_does_not_run_leads_to_its_page(client_for, alice, make_desktop, status):
    desktop = make_desktop(alice, name="other", status=status)
    answer = opened(client_for(alice), desktop)
    assert (answer.status_code, answer["Location"]) == (303, f"/desktops/{desktop.pk}/")
    assert not answer.cookies.get("podesk_direct")


@pytest.mark.parametrize("way", ["proxy", "nodeport", "loadbalancer"])
def test_other_installations_have_no_such_door(settings, client_for, alice, desktop, way):
    settings.DESKTOP_EXPOSURE = way
    assert opened(client_for(alice), desktop).status_code == 404
    assert not SessionToken.objects.exists()


def test_strangers_anonymous_and_get(client_for, client, alice, bob, desktop):
    assert opened(client_for(bob), desktop).status_code == 404
    assert opened(client, desktop)["Location"].startswith("/accounts/login/")
    answer = client_for(alice).get(f"/desktops/{desktop.pk}/open-directly/")
    assert (answer.status_code, answer["Allow"]) == (405, "POST")
    assert not SessionToken.objects.exists()


# --- gate ---


def test_each_way_to_bring_the_token(desktop, token):
    text = token()
    assert asks(desktop, text) == 204
    assert asks(desktop, **{"X-User-Token": text}) == 204
    assert asks(desktop, Authorization=f"Bearer {text}") == 204
    assert asks(desktop, Authorization=f"bearer {text}") == 204


@pytest.mark.parametrize("text", ["", "nonsense", "a.b.c", "x" * 10_000, "eyJhbGciOiJub25lIn0.e30."])
def test_without_a_valid_token(desktop, text):
    assert asks(desktop, text) == 401
    assert asks(desktop, Authorization=f"Bearer {text}") == 401
    assert asks(desktop, Authorization=f"Basic {text}") == 401


def test_expired_or_revoked(desktop, token):
    expired, revoked = token(lifetime=timedelta(seconds=-1)), token()
    SessionToken.objects.filter(expires_at__gt=timezone.now()).update(revoked_at=timezone.now())
    redis_client().flushdb()
    assert (asks(desktop, expired), asks(desktop, revoked)) == (401, 401)


def test_for_another_desktop(alice, bob, desktop, token, make_desktop):
    second, bobs = make_desktop(alice, name="second", status=Status.RUNNING), make_desktop(bob, status=Status.RUNNING)
    assert asks(desktop, token(of=second)) == 403
    assert asks(desktop, token(of=bobs, user=bob)) == 403
    assert asks(desktop, token(of=desktop, user=bob)) == 403  # it names a desktop of another user
    assert asks(second, token()) == 403


def test_without_the_permission(desktop, token):
    assert asks(desktop, token(permissions=("ssh",))) == 403


@pytest.mark.parametrize("status", [status for status in Status if status != Status.RUNNING])
def test_while_it_does_not_run(desktop, token, status):
    type(desktop).objects.update(status=status)
    assert asks(desktop, token()) == 403


def test_its_owner_disabled(alice, desktop, token):
    text = token()
    type(alice).objects.update(is_active=False)
    assert asks(desktop, text) == 403


def test_a_page_of_another_site_may_not_use_the_cookie(desktop, token):
    assert asks(desktop, token(), Origin=BROWSER) == 204
    assert asks(desktop, token(), Origin="http://neighbour.testserver") == 403


def test_no_such_desktop(token):
    client = Client()
    for address in ("00000000-0000-0000-0000-000000000000", "nonsense"):
        answer = client.get(f"/desktops/{address}/gate/", headers={"X-User-Token": token()})
        assert answer.status_code in (403, 404)


def test_it_writes_no_token_into_the_log(desktop, token, caplog, capfd):
    text = token()
    asks(desktop, text)
    asks(desktop, f"{text}x")
    said = caplog.text + "".join(capfd.readouterr())
    assert f"/desktops/{desktop.pk}/gate/" in said
    assert text not in said
    assert not AuditEvent.objects.exists()


def test_the_use_is_noted(desktop, token, settings):
    settings.TRUSTED_PROXY_COUNT = 1
    asks(desktop, token(label="opened directly"), **{"X-Forwarded-For": "192.0.2.7"})
    assert SessionToken.objects.get().last_used_from == "192.0.2.7"
