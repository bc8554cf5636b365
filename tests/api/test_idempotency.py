"""A request with an Idempotency-Key is run once, and its answer is repeated."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.test import Client
from django.utils import timezone

from accounts import services
from accounts.models import IdempotentRequest, User
from core import encryption
from tests.support.tiny_api import token

JSON = "application/json"
THINGS = "/api/v1/ground/things"


def post(client, body=None, key="my-key", **headers):
    return client.post(THINGS, {} if body is None else body, JSON, headers={"Idempotency-Key": key} | headers)


def made() -> int:
    return User.objects.filter(username__startswith="made-").count()


def test_answered_again_and_done_once(api):
    first, second = post(api, {"word": "a"}), post(api, {"word": "a"})
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert (second["Idempotent-Replayed"], "Idempotent-Replayed" in first) == ("true", False)
    assert second["X-Request-ID"] != first["X-Request-ID"]
    assert made() == 1


def test_other_key_is_another_request(api):
    post(api), post(api, key="other")
    assert made() == 2


def test_key_for_something_else(api):
    post(api, {"word": "a"})
    for answer in (
        post(api, {"word": "b"}),
        api.post(f"{THINGS}?x=1", {"word": "a"}, JSON, headers={"Idempotency-Key": "my-key"}),
    ):
        assert (answer.status_code, answer.json()["slug"]) == (422, "idempotency_key_used")
    assert made() == 1
    assert post(api, {"word": "a"}).status_code == 201  # the first answer is still stored


@pytest.mark.parametrize("key", ["", " ", "with space", "x" * 201, "ü", "tab\tin"])
def test_key_that_is_none(api, key):
    answer = post(api, key=key)
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == ["Idempotency-Key"]


def test_first_is_under_way(api, alice):
    post(api)
    IdempotentRequest.objects.update(status=0)
    answer = post(api)
    assert (answer.status_code, answer.json()["slug"]) == (409, "idempotency_under_way")
    assert IdempotentRequest.objects.count() == 1


def test_request_of_a_killed_process_can_be_repeated(api):
    post(api)
    IdempotentRequest.objects.update(status=0, at=timezone.now() - timedelta(minutes=6))
    assert post(api).status_code == 201
    assert IdempotentRequest.objects.get().status == 201


@pytest.mark.parametrize(
    ("body", "status"), [({"word": "broken"}, 500), ({"word": "busy"}, 409), ({"number": "x"}, 422), ({"x": 1}, 422)]
)
def test_refusal_is_forgotten(api, body, status):
    assert [post(api, body).status_code for _ in range(2)] == [status, status]
    assert not IdempotentRequest.objects.exists()
    assert post(api).status_code == 201  # the corrected request may use the key


def test_too_many_is_not_noted(api, settings):
    settings.API_RATES = settings.API_RATES | {"create": 1}
    assert [post(api, key=key).status_code for key in ("a", "b")] == [201, 429]
    assert [row.key for row in IdempotentRequest.objects.all()] == ["a"]


def test_too_large_is_forgotten(api):
    assert post(api, {"word": "x" * 70_000}).status_code == 413
    assert not IdempotentRequest.objects.exists()


def test_answer_is_sealed_at_rest(api):
    post(api)
    row = IdempotentRequest.objects.get()
    assert "secret" not in row.answer_sealed
    assert "a secret of the answer" in encryption.decrypt(row.answer_sealed)


def test_answer_that_no_key_opens_any_more(api):
    post(api)
    IdempotentRequest.objects.update(answer_sealed="gAAAA")
    assert post(api).status_code == 422
    assert made() == 1


def test_each_person_has_their_own(api, bob):
    post(api)
    answer = post(api, **{"X-User-Token": token(bob)})
    assert (answer.status_code, "Idempotent-Replayed" in answer) == (201, False)
    assert made() == 2


def test_the_refreshed_token_of_the_same_session(api, alice):
    post(api)
    assert post(api, **{"X-User-Token": token(alice, label="refreshed")})["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize("scope", [{"session_id": "other"}, {"permissions": ("ssh",)}, {"pod_name": "vnc-a"}])
def test_another_token_is_not_told_what_the_first_was(api, alice, scope):
    post(api)
    answer = post(api, **{"X-User-Token": token(alice, **scope)})
    assert answer.status_code in (403, 422)
    assert "a secret of the answer" not in answer.content.decode()
    assert made() == 1


def test_a_smaller_token_is_not_handed_the_larger_one(api, alice):
    asked = {"headers": {"Idempotency-Key": "k"}, "content_type": JSON}
    larger = api.post("/api/v1/auth/tokens", {}, **asked)
    assert larger.json()["permissions"] == ["vnc", "ssh"]
    asked["headers"] |= {"X-User-Token": token(alice, permissions=("vnc",))}
    answer = api.post("/api/v1/auth/tokens", {}, **asked)
    assert (answer.status_code, answer.json()["slug"]) == (422, "idempotency_key_used")


def test_what_was_asked_is_kept_under_our_key_only(api, settings):
    post(api, {"word": "a"})
    kept = IdempotentRequest.objects.get().asked
    settings.SECRET_KEY = "another " * 8
    IdempotentRequest.objects.all().delete()
    post(api, {"word": "a"})
    assert IdempotentRequest.objects.get().asked != kept


@pytest.mark.parametrize("method", ["get", "head", "options", "put"])
def test_ignored_but_on_post(api, method):
    getattr(api, method)(THINGS, headers={"Idempotency-Key": "not a key"})
    assert not IdempotentRequest.objects.exists()


def test_ignored_without_a_token(open_api):
    answer = open_api.post("/api/v1/ground/open", {}, JSON, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 200
    assert not IdempotentRequest.objects.exists()


def test_kept_for_a_day(api):
    post(api, key="young"), post(api, key="old")
    IdempotentRequest.objects.filter(key="old").update(at=timezone.now() - timedelta(hours=24, seconds=1))
    services.prune()
    assert IdempotentRequest.objects.get().key == "young"


@pytest.mark.django_db(transaction=True)
def test_eight_at_once_do_it_once(settings, alice):
    settings.ROOT_URLCONF = "tests.support.tiny_api"
    headers, start = {"X-User-Token": token(alice)}, Barrier(8)

    def send(_: int) -> int:
        start.wait()
        return post(Client(headers=headers)).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(send, range(8)))
    assert set(statuses) <= {201, 409}
    assert 201 in statuses
    assert made() == 1
    assert post(Client(headers=headers))["Idempotent-Replayed"] == "true"
