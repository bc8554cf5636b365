"""The one way to Redis. It holds nothing that cannot be rebuilt: callers survive its absence."""

from functools import cache

from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry


@cache
def client() -> Redis:
    """A pooled, thread-safe client; texts come back as str. Calls raise redis.RedisError when Redis is away."""
    return Redis.from_url(
        settings.REDIS_URL,
        decode_responses=True,
        socket_timeout=5,
        socket_connect_timeout=2,
        # Once, for a connection that died in the pool. By default redis-py tries for seconds, while a person waits.
        retry=Retry(NoBackoff(), retries=1),
    )


def key(*parts: str) -> str:
    """A key of this installation: two portals may share one Redis."""
    return ":".join(("podesk", settings.INSTALLATION_ID, *parts))
