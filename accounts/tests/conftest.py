"""Fixtures for the tests of accounts."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from accounts import disconnects, tokens
from accounts.models import User
from accounts.tokens import TokenScope
from core import redis


@pytest.fixture
def token_for() -> Callable[..., str]:
    def make(user: User, session_id: str = "sess_1", **options: Any) -> str:
        return tokens.issue(user, scope=TokenScope(session_id, pod_name="vnc-alice"), **options)

    return make


@pytest.fixture
def published_disconnects() -> Iterator[Callable[[], dict[str, str]]]:
    """Return a function that returns the next message on the real disconnect channel. It fails after a second."""
    listener = redis.client().pubsub(ignore_subscribe_messages=True)
    listener.subscribe(disconnects.channel())
    assert listener.get_message(timeout=1) is None  # confirms the subscription

    def hear() -> dict[str, str]:
        message = listener.get_message(timeout=1)
        assert message, "no cut was announced within a second"
        return dict(json.loads(message["data"]))

    yield hear
    listener.close()


@pytest.fixture
def redis_at(settings) -> Iterator[Callable[[Path], None]]:
    """Return a function that points the portal at the Redis of a folder. An empty folder has no server."""

    def use(folder: Path) -> None:
        settings.REDIS_URL = f"unix://{folder}/redis.sock"
        redis.client.cache_clear()

    yield use
    redis.client.cache_clear()
