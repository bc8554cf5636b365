"""Failed logins and refused tokens are counted, without the name that was tried."""

from datetime import timedelta

import pytest

from accounts import tokens
from tests.support.metrics import value


def failed(result: str) -> float:
    return value("podesk_failed_logins_total", result=result)


def refused(reason: str) -> float:
    return value("podesk_tokens_refused_total", reason=reason)


def test_wrong_password_on_the_page_and_in_the_api(alice, client):
    before = failed("wrong_password")
    client.post("/accounts/login/", {"username": "alice", "password": "wrong"})
    client.post("/api/v1/auth/token", {"username": "alice", "password": "wrong"}, content_type="application/json")
    assert failed("wrong_password") == before + 2


def test_failure_that_begins_a_lock(alice, client, settings):
    settings.AXES_FAILURE_LIMIT = 1
    before = failed("locked")
    client.post("/accounts/login/", {"username": "alice", "password": "wrong"})
    client.post("/accounts/login/", {"username": "alice", "password": "alice's password"})
    assert failed("locked") == before + 1


def test_refused_tokens_by_reason(alice):
    text = tokens.issue(alice, scope=tokens.TokenScope("sess_1"), lifetime=timedelta(seconds=-1))
    for reason, given in (("expired", text), ("malformed", "nonsense")):
        before = refused(reason)
        with pytest.raises(tokens.TokenRefused):
            tokens.verify(given)
        assert refused(reason) == before + 1
