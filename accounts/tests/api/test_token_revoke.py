"""Tests of `DELETE /api/v1/auth/tokens/<uuid>` and `POST /api/v1/auth/tokens/revoke-all`."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from accounts import services, token_services, tokens
from accounts.audit import Actor
from accounts.models import AuditEvent, SessionToken
from accounts.tokens import TokenScope
from core import redis
from tests.support import environment

URL = "/api/v1/auth/tokens"
ALL = f"{URL}/revoke-all"

pytestmark = pytest.mark.django_db(transaction=True)


def slug(client) -> str:
    answer = client.get(URL)
    return "" if answer.status_code == 200 else f"{answer.status_code} {answer.json()['slug']}"


# --- one token ---


def test_one(alice, obtained, script, published_disconnects):
    issued, other = obtained(alice, label="backup"), script(obtained(alice))
    answer = other.delete(f"{URL}/{issued['id']}")
    assert (answer.status_code, answer.json()) == (200, {"status": "revoked", "id": issued["id"]})
    assert (slug(script(issued)), slug(other)) == ("401 revoked", "")
    assert published_disconnects() == {"scope": "session", "id": issued["session_id"], "reason": "revoked", "spare": ""}
    event = AuditEvent.objects.latest("pk")
    assert (event.action, event.actor, event.target) == ("token.revoke", alice, "alice backup")


def test_itself(alice, obtained, script):
    issued = obtained(alice)
    assert script(issued).delete(f"{URL}/{issued['id']}").status_code == 200
    assert slug(script(issued)) == "401 revoked"


def test_again_is_fine_and_audited_once(alice, obtained, script):
    issued, other = obtained(alice), script(obtained(alice))
    answers = [other.delete(f"{URL}/{issued['id']}") for _ in range(2)]
    assert [answer.json()["status"] for answer in answers] == ["revoked", "revoked"]
    assert AuditEvent.objects.filter(action="token.revoke").count() == 1


def test_what_it_was_refreshed_to_ends_too(alice, obtained, script):
    """Revoking a token of a list ends the script that uses it, even if it has just refreshed the token."""
    old, other = obtained(alice), script(obtained(alice))
    new = script(old).generic("POST", "/api/v1/auth/token/refresh").json()
    other.delete(f"{URL}/{old['id']}")
    assert slug(script(new)) == "401 revoked"


def test_what_was_made_with_it_for_a_desktop_ends_too(alice, obtained, script):
    issued, other = obtained(alice), script(obtained(alice))
    of_desktop = tokens.issue(alice, scope=TokenScope(issued["session_id"], pod_name="vnc-alice"))
    other.delete(f"{URL}/{issued['id']}")
    with pytest.raises(tokens.TokenRefused, match="revoked"):
        tokens.verify(of_desktop)


def test_the_login_that_made_one_for_a_desktop_goes_on(alice, script, obtained):
    scope = TokenScope("sess_browser", pod_name="vnc-alice")
    of_desktop = tokens.issue_row(alice, scope=scope, validity=tokens.validity_from_now(), label="direct")[1]
    viewer = tokens.issue(alice, scope=scope)
    script(obtained(alice)).delete(f"{URL}/{of_desktop.pk}")
    assert tokens.verify(viewer)
    of_desktop.refresh_from_db()
    assert of_desktop.revoked_reason == "revoked"


def test_strangers_find_nothing(alice, bob, admin, obtained, script):
    issued = obtained(alice)
    for person in (bob, admin):
        assert script(obtained(person)).delete(f"{URL}/{issued['id']}").status_code == 404
    assert slug(script(issued)) == ""


def test_nothing_there(alice, api_for):
    client = api_for(alice)
    of_a_page = SessionToken.objects.get()
    for address in (uuid4(), of_a_page.pk, "1", "x" * 300):
        assert client.delete(f"{URL}/{address}").status_code == 404


def test_anonymous_bound_query_and_other_methods(alice, obtained, script, api_for):
    issued = obtained(alice)
    address = f"{URL}/{issued['id']}"
    assert Client().delete(address).status_code == 401
    assert api_for(alice, pod_name="vnc-alice").delete(address).status_code == 403
    assert script(issued).delete(f"{address}?force=1").json()["errors"][0]["field"] == "force"
    for method in ("get", "post", "put", "patch"):
        assert getattr(script(issued), method)(address).status_code == 405


# --- all tokens ---


def test_all(alice, bob, obtained, script, client_for):
    one, two, of_bob = obtained(alice), obtained(alice), obtained(bob)
    of_desktop = tokens.issue(alice, scope=TokenScope(two["session_id"], pod_name="vnc-alice"))
    viewer = tokens.issue(alice, scope=TokenScope("sess_browser", pod_name="vnc-alice"))
    browser = client_for(alice)
    answer = script(one).generic("POST", ALL)
    assert (answer.status_code, answer.json()) == (200, {"status": "revoked", "count": 2})
    assert (slug(script(one)), slug(script(two)), slug(script(of_bob))) == ("401 revoked", "401 revoked", "")
    with pytest.raises(tokens.TokenRefused, match="revoked"):
        tokens.verify(of_desktop)
    assert tokens.verify(viewer)
    assert browser.get("/accounts/password/").status_code == 200
    event = AuditEvent.objects.latest("pk")
    assert (event.action, event.target, event.details) == ("token.revoke_all", "alice", {"count": 2})


def test_all_are_counted_once(alice, obtained, api_for):
    obtained(alice)
    assert [api_for(alice).generic("POST", ALL).json()["count"] for _ in range(2)] == [1, 0]


def test_all_cut_their_streams(alice, obtained, script, published_disconnects):
    issued = obtained(alice)
    script(issued).generic("POST", ALL)
    assert published_disconnects()["id"] == issued["session_id"]


def test_all_cut_the_streams_of_what_has_just_expired(alice, obtained, api_for, published_disconnects):
    issued = obtained(alice)
    SessionToken.objects.update(expires_at=timezone.now() - timedelta(seconds=5))
    assert api_for(alice).generic("POST", ALL).json()["count"] == 0
    assert published_disconnects()["id"] == issued["session_id"]


def test_all_anonymous_bound_and_other_methods(alice, api_for):
    assert Client().generic("POST", ALL).status_code == 401
    assert api_for(alice, pod_name="vnc-alice").generic("POST", ALL).status_code == 403
    assert api_for(alice).post(ALL, {"user": "bob"}, content_type="application/json").status_code == 422
    for method in ("get", "put", "delete"):
        assert getattr(api_for(alice), method)(ALL).status_code in (404, 405)


# --- other ways to revoke ---


def test_password_disabling_and_signing_out_everywhere_end_them(alice, obtained, script):
    by = Actor(alice)
    password = "alice's password"
    deeds = (
        ("revoked", lambda: services.sign_out_everywhere(user=alice, by=by)),
        ("revoked", lambda: services.change_password(user=alice, password=password, by=by, session_id="sess_browser")),
        ("disabled", lambda: services.set_active(user=alice, active=False, by=by)),
    )
    for said, deed in deeds:
        issued = obtained(alice)
        deed()
        assert slug(script(issued)) == f"401 {said}"


def test_logging_out_of_a_browser_does_not(alice, obtained, script, client_for):
    issued = obtained(alice)
    client_for(alice).post("/accounts/logout/")
    assert slug(script(issued)) == ""


def test_counts_with_redis_empty(alice, obtained, script):
    issued, other = obtained(alice), script(obtained(alice))
    other.delete(f"{URL}/{issued['id']}")
    redis.client().flushdb()
    assert slug(script(issued)) == "401 revoked"


def test_counts_while_redis_is_unavailable(alice, obtained, script):
    issued, other = obtained(alice), obtained(alice)
    with environment.redis_unavailable():
        assert script(other).delete(f"{URL}/{issued['id']}").status_code == 200
        assert (slug(script(issued)), slug(script(other))) == ("401 revoked", "")
    assert slug(script(issued)) == "401 revoked"


def test_disabled_in_this_very_moment(alice, obtained):
    claims = tokens.verify(obtained(alice)["token"])
    type(alice).objects.filter(pk=alice.pk).update(is_active=False)
    with pytest.raises(token_services.LoginEnded):
        token_services.refresh(by=Actor(alice), claims=claims)
