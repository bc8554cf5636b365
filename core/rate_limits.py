"""How often something happens in a minute: counted in Redis, for all replicas together. Redis away: not counted."""

import time
from functools import cache
from typing import Any

import redis
import structlog

from core.redis import client, key

log = structlog.get_logger("podesk.api")
WINDOW = 60  # seconds; counted from the full minute, so that one INCR does

# One command for all that is counted; no counter stays without its end.
_COUNT = """
local counts = {}
for place, name in ipairs(KEYS) do
  counts[place] = redis.call('INCR', name)
  if counts[place] == 1 then redis.call('EXPIRE', name, ARGV[1]) end
end
return counts
"""

Limits = dict[str, tuple[int, str]]  # by name: how many per minute, and who is counted


def remaining(limits: Limits) -> dict[str, int]:
    """Counts one more; how many more are allowed then, negative when this one is too many. Empty when Redis is away."""
    counters = [_counter(name, who) for name, (_, who) in limits.items()]
    try:
        counts = _count()(keys=counters, args=[2 * WINDOW], client=client())
    except redis.RedisError as error:
        log.warning("rate_limits_not_counted", error=str(error))
        return {}
    return {name: limit - count for (name, (limit, _)), count in zip(limits.items(), counts, strict=True)}


def refund(name: str, who: str) -> None:
    """What was counted shall not count."""
    pipe = client().pipeline()  # a transaction: here too
    pipe.decr(_counter(name, who))
    pipe.expire(_counter(name, who), 2 * WINDOW)
    try:
        pipe.execute()
    except redis.RedisError as error:
        log.warning("rate_limits_not_counted", error=str(error))


def seconds_until_reset() -> float:
    """Seconds until counting begins anew."""
    return WINDOW - time.time() % WINDOW


@cache
def _count() -> Any:
    """Sends the script's digest; redis-py sends the script itself to a Redis that has forgotten it."""
    return client().register_script(_COUNT)


def _counter(name: str, who: str) -> str:
    return key("rate", name, who, str(int(time.time()) // WINDOW))
