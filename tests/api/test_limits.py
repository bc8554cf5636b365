"""Rate limits are counted in Redis for all replicas, reported in headers, and skipped if Redis is unavailable."""

import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.test import Client

from core import rate_limits as counters
from tests.support.environment import redis_unavailable
from tests.support.tiny_api import token

JSON = "application/json"
GROUND = "/api/v1/ground"


@pytest.fixture(autouse=True)
def early_in_a_minute():
    """Wait for the next window if this one is about to end, so that a test uses only one."""
    if (late := time.time() % counters.WINDOW) > counters.WINDOW - 5:
        time.sleep(counters.WINDOW - late)


@pytest.fixture
def rates(settings):
    def change(**per_minute: int) -> None:
        settings.API_RATES = dict.fromkeys(settings.API_RATES, 0) | per_minute

    return change


def test_headers_tell_what_is_left(api, rates):
    rates(read=5, address=100)
    answer = api.get(f"{GROUND}/things")
    assert answer["RateLimit-Policy"] == '"read";q=5;w=60, "address";q=100;w=60'
    assert re.fullmatch(r'"read";r=4;t=[1-6]?\d, "address";r=99;t=[1-6]?\d', answer["RateLimit"])
    assert "r=3" in api.get(f"{GROUND}/things")["RateLimit"]


def test_too_many(api, rates):
    rates(read=2)
    assert [api.get(f"{GROUND}/things").status_code for _ in range(4)] == [200, 200, 429, 429]
    refused = api.get(f"{GROUND}/things")
    assert refused.json()["slug"] == "too_many_requests"
    assert 1 <= int(refused["Retry-After"]) <= 60
    assert "r=0" in refused["RateLimit"]


@pytest.mark.parametrize(
    ("status", "method", "path", "body", "headers"),
    [
        (401, "GET", "things", "", {"X-User-Token": "nonsense"}),
        (422, "POST", "things", '{"number": "x"}', {}),
        (400, "POST", "things", "{", {}),
        (405, "PUT", "things", "", {}),
        (406, "GET", "things", "", {"Accept": "text/html"}),
        (403, "GET", "staff", "", {}),
        (409, "POST", "things", '{"word": "busy"}', {}),
        (500, "POST", "things", '{"word": "broken"}', {}),
    ],
)
def test_refusals_count_and_tell(api, rates, *, status, method, path, body, headers):
    rates(address=10)
    answers = [api.generic(method, f"{GROUND}/{path}", body, JSON, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [status, status]
    assert [answer["RateLimit"].split(";")[1] for answer in answers] == ["r=9", "r=8"]


def test_each_kind_counts_for_itself(api, rates):
    rates(read=1, create=1, write=1)
    assert api.get(f"{GROUND}/things").status_code == 200
    assert api.post(f"{GROUND}/things", {}, JSON).status_code == 201  # "create"
    assert api.put(f"{GROUND}/things").status_code == 405  # "write"
    assert api.get(f"{GROUND}/things").status_code == 429
    assert api.head(f"{GROUND}/things").status_code == 429
    assert api.post(f"{GROUND}/things", {}, JSON).status_code == 429
    assert api.put(f"{GROUND}/things").status_code == 429


def test_each_person_counts_for_themselves(api, rates, alice, bob):
    rates(read=1)
    assert api.get(f"{GROUND}/things").status_code == 200
    again = {"X-User-Token": token(alice, label="another token of hers")}
    assert api.get(f"{GROUND}/things", headers=again).status_code == 429
    assert api.get(f"{GROUND}/things", headers={"X-User-Token": token(bob)}).status_code == 200


def test_login_counts_by_address(open_api, rates, settings):
    rates(login=1)
    settings.TRUSTED_PROXY_COUNT = 1
    first, second = ({"X-Forwarded-For": f"6.6.6.6, 203.0.113.{number}"} for number in (1, 2))
    statuses = [open_api.post(f"{GROUND}/open", {}, JSON, headers=each).status_code for each in (first, first, second)]
    assert statuses == [200, 429, 200]  # the client cannot reset its counter with its own header
    forged = {"X-Forwarded-For": "9.9.9.9, 203.0.113.1"}
    assert open_api.post(f"{GROUND}/open", {}, JSON, headers=forged).status_code == 429


def test_of_ipv6_a_network_counts(open_api, rates, settings):
    rates(login=1)
    settings.TRUSTED_PROXY_COUNT = 1
    tries = ("2001:db8:1:2::3", "2001:db8:1:2:ffff::4", "2001:db8:1:3::3")
    answers = [open_api.post(f"{GROUND}/open", {}, JSON, headers={"X-Forwarded-For": each}) for each in tries]
    assert [answer.status_code for answer in answers] == [200, 429, 200]


def test_without_a_proxy_the_header_says_nothing(open_api, rates):
    rates(login=1)
    tries = [
        open_api.post(f"{GROUND}/open", {}, JSON, headers={"X-Forwarded-For": each}) for each in ("1.1.1.1", "2.2.2.2")
    ]
    assert [each.status_code for each in tries] == [200, 429]


def test_trying_tokens_out_is_slowed_down(open_api, rates):
    rates(read=2)
    guesses = [open_api.get(f"{GROUND}/things", headers={"X-User-Token": f"guess{n}"}).status_code for n in range(3)]
    assert guesses == [401, 401, 429]


def test_no_limit(api, rates):
    rates()
    answers = [api.get(f"{GROUND}/things") for _ in range(5)]
    assert {answer.status_code for answer in answers} == {200}
    assert not any("RateLimit" in answer for answer in answers)


@pytest.mark.django_db(transaction=True)
def test_fifty_at_once_pass_exactly_as_many_as_may(settings, rates, alice):
    """All replicas share one counter. Each request here has its own connection."""
    rates(read=20)
    settings.ROOT_URLCONF = "tests.support.tiny_api"
    headers = {"X-User-Token": token(alice)}
    with ThreadPoolExecutor(50) as pool:
        statuses = list(pool.map(lambda _: Client(headers=headers).options(f"{GROUND}/things").status_code, range(50)))
    assert (statuses.count(204), statuses.count(429)) == (20, 30)


def test_next_minute_begins_anew(api, rates, monkeypatch):
    rates(read=1)
    assert [api.get(f"{GROUND}/things").status_code for _ in range(2)] == [200, 429]
    later = time.time() + counters.WINDOW
    monkeypatch.setattr(counters.time, "time", lambda: later)
    assert api.get(f"{GROUND}/things").status_code == 200


def test_counters_do_not_stay(api, rates):
    rates(read=1, address=1)
    api.get(f"{GROUND}/things")
    names = counters.client().keys(counters.key("rate", "*"))
    assert len(names) == 2
    assert all(0 < counters.client().ttl(each) <= 2 * counters.WINDOW for each in names)


def test_requests_are_accepted_while_redis_is_unavailable(api, rates):
    rates(read=1, address=1)
    with redis_unavailable():
        answers = [api.get(f"{GROUND}/things") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert not any("RateLimit" in answer for answer in answers)
    assert [api.get(f"{GROUND}/things").status_code for _ in range(2)] == [200, 429]


def test_a_redis_that_was_emptied_of_its_scripts_counts_all_the_same(api, rates):
    rates(read=1)
    assert api.get(f"{GROUND}/things").status_code == 200
    counters.client().script_flush()
    assert api.get(f"{GROUND}/things").status_code == 429
