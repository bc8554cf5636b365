"""Count events per minute in Redis, for all replicas together. Without Redis nothing is counted."""

import time
from functools import cache
from typing import Any

import redis
import structlog

from core import metrics
from core.redis import client, key

log = structlog.get_logger("podesk.api")
WINDOW = 60  # seconds; a fixed window, so that one INCR is enough

# One script for all counters, so that no counter is left without an expiry time.
_COUNT = """
local counts = {}
for place, name in ipairs(KEYS) do
  counts[place] = redis.call('INCR', name)
  if counts[place] == 1 then redis.call('EXPIRE', name, ARGV[1]) end
end
return counts
"""

Limits = dict[str, tuple[int, str]]  # name -> (events per minute, who is counted)


def remaining(limits: Limits) -> dict[str, int]:
    """Count one event for each limit and return how many more each allows in this minute.

    A negative number means that this event exceeds the limit. Empty when Redis is unavailable.
    """
    counters = [_counter(name, who) for name, (_, who) in limits.items()]
    try:
        counts = _count()(keys=counters, args=[2 * WINDOW], client=client())
    except redis.RedisError as error:
        log.warning("rate_limits_not_counted", error=str(error))
        return {}
    left = {name: limit - count for (name, (limit, _)), count in zip(limits.items(), counts, strict=True)}
    for name in (name for name, rest in left.items() if rest < 0):
        metrics.count_refusal(name)
    return left


def refund(name: str, who: str) -> None:
    """Take back one event that was counted."""
    pipe = client().pipeline()  # a transaction, so that the counter keeps its expiry time
    pipe.decr(_counter(name, who))
    pipe.expire(_counter(name, who), 2 * WINDOW)
    try:
        pipe.execute()
    except redis.RedisError as error:
        log.warning("rate_limits_not_counted", error=str(error))


def seconds_until_reset() -> float:
    """Return the seconds until the next window begins."""
    return WINDOW - time.time() % WINDOW


@cache
def _count() -> Any:
    """Return the script. It is sent by its digest; redis-py loads it into a Redis that does not know it."""
    return client().register_script(_COUNT)


def _counter(name: str, who: str) -> str:
    return key("rate", name, who, str(int(time.time()) // WINDOW))
