"""Tests of `POST /api/v1/auth/token/refresh`: a new session token for an old one."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from accounts import revocation, token_services, tokens
from accounts.audit import Actor
from accounts.models import AuditEvent, SessionToken
from accounts.token_services import LoginEnded

URL = "/api/v1/auth/token/refresh"
LIST = "/api/v1/auth/tokens"


def refresh(scripted_runtime, body: str = ""):
    kind = {"content_type": "application/json"} if body else {}
    return Client(headers={"X-User-Token": scripted_runtime["token"]}).generic("POST", URL, body, **kind)


def test_the_same_but_new(alice, obtained):
    old = obtained(alice, label="backup", permissions=["ssh"], lifetime=3600)
    answer = refresh(old)
    new = answer.json()
    assert answer.status_code == 201
    assert "no-store" in answer["Cache-Control"]
    assert new["id"] != old["id"]
    for name in ("label", "permissions", "session_id"):
        assert new[name] == old[name]
    row = SessionToken.objects.get(pk=new["id"])
    assert row.expires_at - row.created_at == timedelta(hours=1)
    assert new["refresh_until"] == old["refresh_until"]
    assert Client().get(LIST, headers={"X-User-Token": new["token"]}).status_code == 200
    event = AuditEvent.objects.latest("pk")
    assert (event.action, event.actor, event.details["id"]) == ("token.refresh", alice, new["id"])


@pytest.mark.django_db(transaction=True)
def test_the_old_one_ends(alice, obtained):
    old = obtained(alice)
    assert refresh(old).status_code == 201
    for again in (refresh(old), Client().get(LIST, headers={"X-User-Token": old["token"]})):
        assert (again.status_code, again.json()["slug"]) == (401, "revoked")
    assert SessionToken.objects.get(pk=old["id"]).revoked_reason == "refreshed"


def test_an_empty_object_is_taken_and_nothing_else(alice, obtained):
    assert refresh(obtained(alice), "{}").status_code == 201
    answer = refresh(obtained(alice), '{"lifetime": 60}')
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "lifetime")


def test_none_lives_beyond_refresh_until(alice, obtained):
    """The last token is shorter and says that it is the last: 24 hours each, for 30 days from the first."""
    old = obtained(alice)
    SessionToken.objects.filter(pk=old["id"]).update(refresh_until=timezone.now() + timedelta(hours=5))
    last = refresh(old).json()
    until = SessionToken.objects.get(pk=old["id"]).refresh_until
    assert datetime.fromisoformat(last["expires_at"]) == until  # not a second later
    assert last["refresh_until"] is None
    answer = refresh(last)
    assert (answer.status_code, answer.json()["slug"]) == (409, "not_refreshable")
    assert "POST /api/v1/auth/token" in answer.json()["next_step"]
    assert Client().get(LIST, headers={"X-User-Token": last["token"]}).status_code == 200  # it is valid


def test_refresh_until_is_past(alice, obtained):
    old = obtained(alice)
    SessionToken.objects.filter(pk=old["id"]).update(refresh_until=timezone.now() - timedelta(seconds=1))
    assert refresh(old).status_code == 409


def test_refreshed_again_and_again_it_counts_from_the_first(alice, obtained):
    scripted_runtime = obtained(alice)
    ends = scripted_runtime["refresh_until"]
    for _ in range(3):
        scripted_runtime = refresh(scripted_runtime).json()
        assert scripted_runtime["refresh_until"] == ends


def test_tokens_of_pages_are_not_refreshed(alice, api_for):
    assert api_for(alice).generic("POST", URL).status_code == 409


def test_bound_ones_are_refused(alice, api_for):
    answer = api_for(alice, pod_name="vnc-alice").post(URL)
    assert (answer.status_code, answer.json()["slug"]) == (403, "token_bound")


def test_anonymous_and_other_methods(alice, obtained):
    assert Client().post(URL).status_code == 401
    for method in ("get", "put", "delete"):
        assert getattr(Client(headers={"X-User-Token": obtained(alice)["token"]}), method)(URL).status_code == 405


@pytest.mark.django_db(transaction=True)
def test_two_at_once_get_one(alice, obtained):
    """Both requests pass the check of the token before either has written."""
    claims = tokens.verify(obtained(alice)["token"])

    def ask(_) -> str:
        try:
            return str(token_services.refresh(by=Actor(alice), claims=claims).token.pk)
        except LoginEnded:
            return "ended"
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as both:
        answers = set(both.map(ask, range(2)))
    live = SessionToken.objects.get(revoked_at=None)
    assert answers == {"ended", str(live.pk)}


@pytest.mark.django_db(transaction=True)
def test_who_is_out_meanwhile_gets_none(alice, obtained):
    claims = tokens.verify(obtained(alice)["token"])
    revocation.revoke_user(alice, reason="password_changed")
    with pytest.raises(LoginEnded):
        token_services.refresh(by=Actor(alice), claims=claims)


@pytest.mark.django_db(transaction=True)
def test_cuts_what_the_old_one_opened(alice, obtained, published_disconnects):
    old = obtained(alice)
    refresh(old)
    assert published_disconnects() == {"scope": "token", "id": old["id"], "reason": "refreshed", "spare": ""}
