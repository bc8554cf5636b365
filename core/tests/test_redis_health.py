"""Health of a real Redis that refuses writes or is unavailable."""

import pytest

from core import redis_health
from core.redis import client
from core.redis_health import RedisHealth
from tests.support.environment import redis_refuses_writes, redis_unavailable

REASONS = pytest.mark.parametrize(
    ("why", "said"), [("memory_full", "its memory is full"), ("save_failed", "to disk"), ("read_only", "read-only")]
)


def test_healthy():
    assert redis_health.look() == RedisHealth()
    assert redis_health.look().sentence == ""


@REASONS
def test_refused_writes_and_the_reason(why, said):
    with redis_refuses_writes(why):
        assert client().get("anything") is None  # it answers
        found = redis_health.look()
    assert (found.reason, found.ok, found.answers) == (why, False, True)
    assert "answers but refuses writes" in found.sentence
    assert said in found.sentence
    assert redis_health.look().ok


def test_unavailable():
    with redis_unavailable():
        found = redis_health.look()
    assert (found.reason, found.answers) == ("away", False)
    assert "does not answer" in found.sentence
