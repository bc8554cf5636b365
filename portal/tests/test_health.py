"""Probes: alive whatever fails around the process, ready only when pages can be served."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest
from django.db import OperationalError, connection
from psycopg_pool import ConnectionPool, PoolTimeout

from core import redis
from core.version import VERSION
from desktops.lifecycle import heartbeat
from tests.support.environment import redis_refuses_writes


@pytest.fixture
def redis_unavailable(settings, tmp_path):
    settings.REDIS_URL = f"unix://{tmp_path}/redis.sock"
    redis.client.cache_clear()
    yield
    redis.client.cache_clear()


@pytest.fixture
def redis_hangs(settings, tmp_path) -> Iterator[None]:
    """Use a Redis whose machine has failed: the kernel accepts connections and no answer comes."""
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "redis.sock"))
        silent.listen()
        settings.REDIS_URL = f"unix://{tmp_path}/redis.sock"
        yield


@pytest.fixture
def database_unavailable(db, request, tmp_path):
    if connection.vendor == "postgresql":
        request.getfixturevalue("pool_to_nowhere")
        yield
        return

    def gone(*args):
        """Make every statement fail as if the server had closed the connection."""
        raise OperationalError("server closed the connection unexpectedly")

    with connection.execute_wrapper(gone):
        yield


@pytest.fixture
def pool_to_nowhere(monkeypatch, tmp_path) -> Iterator[None]:
    with ConnectionPool(f"host={tmp_path}", min_size=1, max_size=2, open=False) as pool:
        monkeypatch.setitem(connection._connection_pools, connection.alias, pool)
        yield


@pytest.mark.parametrize("path", ["/healthz", "/health"])
def test_alive_without_asking_anybody(client, path, redis_unavailable):
    answer = client.get(path)  # without a database, which this test may not use
    assert (answer.status_code, answer.content) == (200, b"ok\n")


@pytest.mark.parametrize("path", ["/readyz", "/ready"])
def test_ready(db, client, path):
    heartbeat.record_controller_beat()
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.json() == {"ready": True, "database": "ok", "redis": "ok", "controller": "ok", "version": VERSION}
    assert "no-store" in answer.headers["Cache-Control"]


def test_late_controller_is_told_and_takes_nothing_out_of_service(db, client, old_redis):
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["controller"].startswith("not running")


def test_redis_outage_is_reported_and_the_pod_stays_ready(db, client, redis_unavailable):
    """Otherwise all pods would leave service at once, with all that works without Redis: pages, API, screens."""
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["redis"], answer.json()["ready"]) == (200, "does not answer", True)
    assert answer.json()["controller"].startswith("unknown")


@pytest.mark.parametrize(
    ("why", "said"), [("memory_full", "its memory is full"), ("save_failed", "to disk"), ("read_only", "replica")]
)
def test_redis_that_refuses_writes_is_told_with_the_reason(db, client, why, said):
    heartbeat.record_controller_beat()
    with redis_refuses_writes(why):
        answer = client.get("/readyz", headers={"Accept-Language": "zh-CN"})
    assert (answer.status_code, answer.json()["ready"]) == (200, True)
    assert "answers but refuses writes" in answer.json()["redis"]
    assert said in answer.json()["redis"]
    assert answer.json()["controller"] == "unknown: it reports through Redis"
    assert client.get("/readyz").json()["redis"] == "ok"


def test_redis_started_a_moment_ago_knows_no_controller_yet(db, client, monkeypatch):
    monkeypatch.setattr(heartbeat, "NEW_FOR", 10**9)
    assert client.get("/readyz").json()["controller"].startswith("unknown")


def test_redis_that_hangs_is_told_before_the_probe_gives_up(db, client, redis_hangs):
    began = time.monotonic()
    answer = client.get("/readyz")
    assert time.monotonic() - began < 5
    assert (answer.status_code, answer.json()["redis"]) == (200, "does not answer")


def test_database_unavailable(client, database_unavailable):
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["database"], answer.json()["ready"]) == (503, "does not answer", False)


@pytest.mark.postgres
def test_pool_without_a_free_connection_is_told_before_the_probe_gives_up(db, client):
    """A request to this pod would fail after ten seconds. The Service sends users to other pods instead."""
    pool = connection.pool
    with ExitStack() as held:
        with suppress(PoolTimeout):  # the transaction of this test holds one connection
            for _ in range(pool.max_size):
                held.enter_context(pool.connection(timeout=1))
        began = time.monotonic()
        answer = client.get("/readyz")
        assert time.monotonic() - began < 5
        assert (answer.status_code, answer.json()["database"]) == (503, "does not answer")
    assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_asked_by_the_address_of_the_pod_over_plain_http(db, client, settings, path):
    settings.SECURE_SSL_REDIRECT = True
    assert client.get(path, headers={"Host": "10.1.2.3:8000"}).status_code == 200
    assert client.get("/accounts/login/", headers={"Host": "10.1.2.3:8000"}).status_code == 400
