"""What the tests of accounts share."""

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
    """The next cut on the real channel, as a proxy hears it; fails after a second of silence."""
    listener = redis.client().pubsub(ignore_subscribe_messages=True)
    listener.subscribe(disconnects.channel())
    assert listener.get_message(timeout=1) is None  # the subscription is confirmed

    def hear() -> dict[str, str]:
        message = listener.get_message(timeout=1)
        assert message, "no cut was announced within a second"
        return dict(json.loads(message["data"]))

    yield hear
    listener.close()


@pytest.fixture
def redis_at(settings) -> Iterator[Callable[[Path], None]]:
    """Lets the portal use the server of another folder, or the silence of an empty one."""

    def use(folder: Path) -> None:
        settings.REDIS_URL = f"unix://{folder}/redis.sock"
        redis.client.cache_clear()

    yield use
    redis.client.cache_clear()
