"""Provide the Redis client. Redis holds nothing that cannot be rebuilt, so callers must cope without it."""

import time
from contextlib import suppress
from functools import cache
from typing import Any, Self

import redis
from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

_ANSWER, _CONNECT = 1.5, 1.0  # seconds; Redis normally answers within milliseconds
_SILENCE = 2.0  # seconds without further attempts after a timeout


@cache
def client() -> Redis:
    """Return a pooled, thread-safe client that returns str. Calls raise redis.RedisError when Redis is unavailable."""
    return Redis.from_url(
        settings.REDIS_URL,
        decode_responses=True,
        socket_timeout=_ANSWER,
        socket_connect_timeout=_CONNECT,
        retry=_FailFast(),
    )


class _FailFast(Retry):
    """Retry once, for a pooled connection that was closed; redis-py's default retries for seconds while a user waits.

    After a timeout, all calls fail at once for _SILENCE seconds: a request makes several calls, and each one would
    wait for the timeout again.
    """

    def __init__(self) -> None:
        super().__init__(NoBackoff(), retries=1, supported_errors=(redis.ConnectionError,))
        self._silent_until = 0.0

    def __deepcopy__(self, memo: Any) -> Self:
        return self  # redis-py copies it for each connection

    def call_with_retry(self, *args: Any, **options: Any) -> Any:
        if time.monotonic() < self._silent_until:
            raise redis.ConnectionError("Redis did not answer a moment ago")
        try:
            return super().call_with_retry(*args, **options)
        except redis.TimeoutError:
            self._silent_until = time.monotonic() + _SILENCE
            raise


def key(*parts: str) -> str:
    """Return a key with this installation's prefix: two portals may share one Redis."""
    return ":".join(("podesk", settings.INSTALLATION_ID, *parts))


def delete_despite_full_memory(*keys: str) -> None:
    """Delete outdated answers that could not be replaced.

    A Redis whose memory is full refuses new values, but still answers with the old ones and deletes them.
    """
    with suppress(redis.RedisError):
        if keys:
            client().delete(*keys)
