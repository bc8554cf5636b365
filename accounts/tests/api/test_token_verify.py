"""Tests of `POST /api/v1/auth/token/verify`: whether a session token is valid, and its claims."""

from datetime import timedelta

import jwt
import pytest
from django.test import Client

from accounts import keys, tokens
from accounts.models import SessionToken
from accounts.tokens import TokenScope

URL = "/api/v1/auth/token/verify"


def verify(body):
    return Client().post(URL, body, content_type="application/json")


def test_says_what_the_token_says(alice, obtained):
    text = obtained(alice)["token"]
    answer = verify({"token": f" {text}\n"})
    ring = keys.keyring()
    assert answer.status_code == 200
    assert answer.json() == jwt.decode(text, ring.public_keys[ring.signing_kid], algorithms=["RS256"])


def test_one_for_a_desktop(alice):
    scope = TokenScope("sess_1", pod_name="vnc-alice", resource_quota={"cpu": "2"})
    body = verify({"token": tokens.issue(alice, scope=scope)}).json()
    assert (body["pod_name"], body["permissions"], body["resource_quota"]) == ("vnc-alice", ["vnc"], {"cpu": "2"})


def test_is_no_use(alice, obtained):
    """Verifying a token does not record a use, and does not hide the next use as a cached answer would."""
    issued = obtained(alice)
    verify({"token": issued["token"]})
    assert SessionToken.objects.get().last_used_at is None
    Client().get("/api/v1/auth/tokens", headers={"X-User-Token": issued["token"]})
    assert SessionToken.objects.get().last_used_at is not None


def slug(answer) -> tuple[int, str]:
    assert answer["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["slug"]


@pytest.mark.parametrize("text", ["x", " ", "a.b.c", "☃", "x" * 9000, "eyJhbGciOiJub25lIn0.e30."])
def test_malformed(db, text):
    assert slug(verify({"token": text})) == (401, "malformed")


@pytest.mark.django_db(transaction=True)
def test_revoked(alice, obtained, script):
    issued = obtained(alice)
    script(issued).delete(f"/api/v1/auth/tokens/{issued['id']}")
    assert slug(verify({"token": issued["token"]})) == (401, "revoked")


def test_expired(alice):
    text = tokens.issue(alice, scope=TokenScope("sess_1"), lifetime=timedelta(seconds=-1))
    assert slug(verify({"token": text})) == (401, "expired")


@pytest.mark.parametrize("body", [{}, {"token": ""}, {"token": 7.5, "x": 1}, {"token": None}, {"token": []}, [], ["x"]])
def test_bad_input(db, body):
    assert verify(body).status_code == 422


def test_query_and_other_methods(db):
    assert Client().post(f"{URL}?token=x", {"token": "x"}, content_type="application/json").status_code == 422
    for method in ("get", "put", "delete"):
        assert getattr(Client(), method)(URL).status_code == 405


def test_has_the_rate_of_reading(db, settings):
    settings.API_RATES = settings.API_RATES | {"login": 1, "read": 2}
    assert [verify({"token": "x"}).status_code for _ in range(3)] == [401, 401, 429]
