"""How often something happens in a minute: counted in Redis, for all replicas together. Redis away: not counted."""

import time

import redis
import structlog

from accounts.redis import client, key

log = structlog.get_logger("podesk.api")
WINDOW = 60  # seconds; counted from the full minute, so that one INCR does

Limits = dict[str, tuple[int, str]]  # by name: how many per minute, and who is counted


def left(limits: Limits) -> dict[str, int]:
    """Counts one more; how many more are allowed then, negative when this one is too many. Empty when Redis is away."""
    pipe = client().pipeline()  # a transaction: no counter stays without its end
    for name, (_, who) in limits.items():
        pipe.incr(_counter(name, who))
        pipe.expire(_counter(name, who), 2 * WINDOW)
    try:
        counts = pipe.execute()[::2]
    except redis.RedisError as error:
        log.warning("rates_not_counted", error=str(error))
        return {}
    return {name: limit - count for (name, (limit, _)), count in zip(limits.items(), counts, strict=True)}


def give_back(name: str, who: str) -> None:
    """What was counted shall not count."""
    pipe = client().pipeline()
    pipe.decr(_counter(name, who))
    pipe.expire(_counter(name, who), 2 * WINDOW)
    try:
        pipe.execute()
    except redis.RedisError as error:
        log.warning("rates_not_counted", error=str(error))


def until_next() -> float:
    """Seconds until counting begins anew."""
    return WINDOW - time.time() % WINDOW


def _counter(name: str, who: str) -> str:
    return key("rate", name, who, str(int(time.time()) // WINDOW))
