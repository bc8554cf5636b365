"""Probes: alive whatever happens around, ready only when pages can be served."""

import pytest
from django.db import OperationalError, connection

from accounts import redis
from desktops import heartbeat


@pytest.fixture
def redis_away(settings, tmp_path):
    settings.REDIS_URL = f"unix://{tmp_path}/redis.sock"
    redis.client.cache_clear()
    yield
    redis.client.cache_clear()


@pytest.fixture
def database_away(db, settings):
    """Every statement fails as it does when the server has gone."""

    def gone(*args):
        raise OperationalError("server closed the connection unexpectedly")

    with connection.execute_wrapper(gone):
        yield


@pytest.mark.parametrize("path", ["/healthz", "/health"])
def test_alive_without_asking_anybody(client, path, redis_away):
    answer = client.get(path)  # no database either: this test may not touch it
    assert (answer.status_code, answer.content) == (200, b"ok\n")


@pytest.mark.parametrize("path", ["/readyz", "/ready"])
def test_ready(db, client, path):
    heartbeat.beat()
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.json() == {"ready": True, "database": "ok", "redis": "ok", "controller": "ok"}
    assert "no-store" in answer.headers["Cache-Control"]


def test_late_controller_is_told_and_takes_nothing_out_of_service(db, client):
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["controller"].startswith("not running")


def test_redis_away(db, client, redis_away):
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["redis"], answer.json()["ready"]) == (503, "does not answer", False)


def test_database_away(client, database_away):
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["database"], answer.json()["ready"]) == (503, "does not answer", False)


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_asked_by_the_address_of_the_pod_over_plain_http(db, client, settings, path):
    settings.SECURE_SSL_REDIRECT = True
    assert client.get(path, headers={"Host": "10.1.2.3:8000"}).status_code == 200
    assert client.get("/accounts/login/", headers={"Host": "10.1.2.3:8000"}).status_code == 400
