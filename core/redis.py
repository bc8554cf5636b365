"""The one way to Redis. It holds nothing that cannot be rebuilt: callers survive its absence."""

import time
from functools import cache
from typing import Any, Self

import redis
from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

_ANSWER, _CONNECT = 1.5, 1.0  # seconds; Redis answers within thousandths
_SILENCE = 2.0  # seconds


@cache
def client() -> Redis:
    """A pooled, thread-safe client; texts come back as str. Calls raise redis.RedisError when Redis is away."""
    return Redis.from_url(
        settings.REDIS_URL,
        decode_responses=True,
        socket_timeout=_ANSWER,
        socket_connect_timeout=_CONNECT,
        retry=_Impatience(),
    )


class _Impatience(Retry):
    """Tries once more on a connection that died in the pool; by default redis-py tries for seconds, while a person
    waits.

    Whoever got no answer in time speaks for all: for a moment nobody else asks. A request makes several calls, and
    each would wait anew."""

    def __init__(self) -> None:
        super().__init__(NoBackoff(), retries=1, supported_errors=(redis.ConnectionError,))
        self._silent_until = 0.0

    def __deepcopy__(self, memo: Any) -> Self:
        return self  # redis-py copies it for each connection

    def call_with_retry(self, *args: Any, **options: Any) -> Any:
        if time.monotonic() < self._silent_until:
            raise redis.ConnectionError("it did not answer a moment ago")
        try:
            return super().call_with_retry(*args, **options)
        except redis.TimeoutError:
            self._silent_until = time.monotonic() + _SILENCE
            raise


def key(*parts: str) -> str:
    """A key of this installation: two portals may share one Redis."""
    return ":".join(("podesk", settings.INSTALLATION_ID, *parts))
