"""The tokens of a disabled account say that it is disabled. Nobody without such a token learns it."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts import revocation, services, tokens
from accounts.audit import Actor
from accounts.models import User
from accounts.token_services import AccountClosed, TokenRequest, issue_from_token, refresh
from accounts.tokens import TokenScope
from core import redis
from tests.support import environment

pytestmark = pytest.mark.django_db(transaction=True)
VERIFY = "/api/v1/auth/token/verify"


@pytest.fixture
def token(alice) -> str:
    return tokens.issue(alice, scope=TokenScope("script"), label="script")


def disable(user, admin) -> None:
    services.set_active(user=user, active=False, by=Actor(admin))


def refused(text: str) -> list[tuple[int, str]]:
    """Return status and slug of a token in the header and in the body."""
    answers = [
        Client().get("/api/v1/auth/tokens", headers={"X-User-Token": text}),
        Client().post(VERIFY, {"token": text}, content_type="application/json"),
    ]
    return [(answer.status_code, answer.json()["slug"]) for answer in answers]


def test_holder_of_a_valid_token_hears_it(alice, admin, token):
    disable(alice, admin)
    assert refused(token) == [(401, "disabled")] * 2
    problem = Client().get("/api/v1/auth/tokens", headers={"X-User-Token": token}).json()
    assert problem["detail"] == "Your account has been disabled."
    assert problem["next_step"] == "Ask an administrator to enable your account."


def test_also_without_redis(alice, admin, token):
    disable(alice, admin)
    with environment.redis_unavailable():
        assert refused(token) == [(401, "disabled")] * 2


def test_also_when_redis_has_forgotten(alice, admin, token):
    disable(alice, admin)
    redis.client().flushdb()
    assert refused(token) == [(401, "disabled")] * 2


def test_also_before_its_tokens_are_revoked(alice, token):
    """An account that is disabled by SQL keeps its tokens until the controller's next turn."""
    User.objects.filter(pk=alice.pk).update(is_active=False)
    answer = Client().get("/api/v1/quota", headers={"X-User-Token": token})
    assert (answer.status_code, answer.json()["slug"]) == (401, "disabled")


@pytest.mark.parametrize("end", ["expired", "revoked", "forged"])
def test_others_hear_what_they_heard_before(alice, admin, token, end):
    if end == "expired":
        token = tokens.issue(alice, scope=TokenScope("script"), lifetime=timedelta(seconds=-1))
    if end == "revoked":
        revocation.revoke_session("script", reason="revoked")
    if end == "forged":
        token = token[:-8] + "AAAAAAAA"
    before = refused(token)
    disable(alice, admin)
    assert refused(token) == before
    assert "disabled" not in str(before)


def test_the_password_of_a_disabled_account_is_a_wrong_one(alice, admin):
    disable(alice, admin)
    sent = {"username": "alice", "password": "alice's password"}
    answer = Client().post("/api/v1/auth/token", sent, content_type="application/json")
    assert (answer.status_code, answer.json()["slug"]) == (401, "wrong_password")


def test_enabled_again_its_old_tokens_are_revoked(alice, admin, token):
    disable(alice, admin)
    services.set_active(user=alice, active=True, by=Actor(admin))
    assert refused(token) == [(401, "revoked")] * 2


def test_disabled_while_the_request_runs(alice, admin, token):
    claims = tokens.verify(token)
    disable(alice, admin)
    with pytest.raises(AccountClosed):
        refresh(by=Actor(alice), claims=claims)
    with pytest.raises(AccountClosed):
        issue_from_token(by=Actor(alice), claims=claims, wanted=TokenRequest("another"))


def test_costs_one_query_more(alice, admin, token):
    disable(alice, admin)
    with CaptureQueriesContext(connection) as asked:
        refused(token)
    assert len(asked) == 2
