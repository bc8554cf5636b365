"""How the API checks the token of a request, and how many queries that takes."""

import pytest
from django.test import Client, RequestFactory
from rest_framework.request import Request

from accounts import keys
from accounts.api.authentication import SessionTokenAuthentication
from accounts.models import SessionToken
from accounts.tests.test_keys import public
from core import redis
from tests.support import environment

URL = "/api/v1/auth/tokens"


def status(**headers: str) -> int:
    return Client().get(URL, headers=headers).status_code


def check(text: str):
    request = Request(RequestFactory().get(URL, headers={"X-User-Token": text}))
    return SessionTokenAuthentication().authenticate(request)


# --- where the API reads the token ---


def test_both_headers(alice, obtained):
    text = obtained(alice)["token"]
    assert status(**{"X-User-Token": text}) == 200
    for kind in ("Bearer", "bearer", "BEARER"):
        assert status(Authorization=f"{kind} {text}") == 200
    assert status(Authorization=f"Basic {text}") == 401
    assert status(Authorization=text) == 401


def test_of_two_that_disagree_x_user_token_counts(alice, bob, obtained):
    """A proxy in front of the portal may set an Authorization header with its own token."""
    mine, others = obtained(alice), obtained(bob)
    answer = Client().get(URL, headers={"X-User-Token": mine["token"], "Authorization": f"Bearer {others['token']}"})
    assert [one["id"] for one in answer.json()["results"]] == [mine["id"]]
    assert status(**{"X-User-Token": "nonsense", "Authorization": f"Bearer {others['token']}"}) == 401


@pytest.mark.parametrize("name", ["token", "access_token", "X-User-Token", "jwt"])
def test_not_in_the_address(alice, obtained, name):
    assert Client().get(f"{URL}?{name}={obtained(alice)['token']}").status_code == 401


def test_not_in_a_cookie(alice, obtained, client_for):
    client = client_for(alice)
    assert client.get(URL).status_code == 401
    client.cookies["podesk_direct"] = obtained(alice)["token"]
    assert client.get(URL).status_code == 401


# --- queries ---


@pytest.mark.django_db(transaction=True)
def test_no_database_query_but_one_a_minute(alice, obtained, django_assert_num_queries):
    text = obtained(alice)["token"]
    with django_assert_num_queries(1):  # checks the token and records its use
        check(text)
    with django_assert_num_queries(0):
        for _ in range(10):
            check(text)
    redis.client().delete(redis.key("token", str(SessionToken.objects.get().pk)))  # as after a minute
    with django_assert_num_queries(1):
        check(text)
        check(text)


def test_an_answer_is_remembered_for_a_minute(alice, obtained):
    check(obtained(alice)["token"])
    assert 55 <= redis.client().ttl(redis.key("token", str(SessionToken.objects.get().pk))) <= 60


def test_the_use_is_noted(alice, obtained, settings):
    settings.TRUSTED_PROXY_COUNT = 1
    text = obtained(alice)["token"]
    Client().get(URL, headers={"X-User-Token": text, "X-Forwarded-For": "9.9.9.9, 2001:db8::1"})
    assert SessionToken.objects.get().last_used_from == "2001:db8::1"


# --- when something is unavailable ---


def test_redis_empty(alice, obtained):
    text = obtained(alice)["token"]
    redis.client().flushdb()
    assert status(**{"X-User-Token": text}) == 200


def test_redis_unavailable(alice, obtained):
    text = obtained(alice)["token"]
    with environment.redis_unavailable():
        assert status(**{"X-User-Token": text}) == 200


def test_a_new_key_logs_nobody_out(alice, obtained, script, settings):
    issued = obtained(alice)
    settings.TOKEN_VERIFY_KEYS, settings.TOKEN_SIGNING_KEY = public(settings.TOKEN_SIGNING_KEY), keys.new_pem()
    assert script(issued).get(URL).status_code == 200
    new = script(issued).generic("POST", "/api/v1/auth/token/refresh").json()
    settings.TOKEN_VERIFY_KEYS = ""
    assert script(new).get(URL).status_code == 200
    assert script(issued).get(URL).status_code == 401
