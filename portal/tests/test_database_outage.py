"""During a database outage pages and the API answer 503, and say when to try again."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import InterfaceError, OperationalError, connection

from accounts.models import IdempotentRequest
from tests.support.tiny_api import token

JSON = "application/json"


@contextmanager
def database_unavailable(fault: type[Exception], only: str = "") -> Iterator[None]:
    def fails(execute, sql, *rest):
        if sql.startswith(only):
            raise fault("server closed the connection unexpectedly")
        return execute(sql, *rest)

    with connection.execute_wrapper(fails):
        yield


@pytest.mark.parametrize("fault", [OperationalError, InterfaceError])
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "pods"), ("POST", "pods/create"), ("GET", "admin/users"), ("GET", "auth/tokens")]
)
def test_api(client, alice, fault, method, path):
    headers = {"X-User-Token": token(alice), "Idempotency-Key": "k"}
    with database_unavailable(fault):
        answer = client.generic(method, f"/api/v1/{path}", "{}", JSON, headers=headers)
    assert (answer.status_code, answer["Retry-After"], answer["Content-Type"]) == (503, "5", "application/problem+json")
    assert answer.json()["slug"] == "database_away"
    assert answer.json()["next_step"]


@pytest.mark.parametrize("path", ["/", "/accounts/tokens/", "/admin/"])
def test_page(client_for, alice, path):
    browser = client_for(alice)
    with database_unavailable(OperationalError):
        answer = browser.get(path)
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "The portal is unavailable" in answer.content.decode()


def test_login(client, alice):
    with database_unavailable(OperationalError):
        assert client.get("/accounts/login/").status_code == 200
        assert client.post("/accounts/login/", {"username": "alice", "password": "x"}).status_code == 503


def test_other_faults_stay_ours(client_for, alice):
    browser = client_for(alice)
    browser.raise_request_exception = False
    with database_unavailable(ZeroDivisionError):
        assert browser.get("/").status_code == 500


@pytest.mark.django_db(transaction=True)
def test_what_was_done_is_answered_though_the_answer_cannot_be_kept(client, alice, settings):
    settings.ROOT_URLCONF = "tests.support.tiny_api"
    headers = {"X-User-Token": token(alice), "Idempotency-Key": "k"}
    with database_unavailable(OperationalError, only='UPDATE "accounts_idempotentrequest"'):
        assert client.post("/api/v1/ground/things", {}, JSON, headers=headers).status_code == 201
    assert IdempotentRequest.objects.get().status == 0
