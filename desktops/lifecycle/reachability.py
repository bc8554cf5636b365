"""Reports of streams that could not reach a running desktop. Kept in Redis and read by the controller."""

from uuid import UUID

import redis
import structlog

from core.redis import client, key

log = structlog.get_logger("podesk.reachability")
_EVERY = 10  # seconds between two reports of one desktop, however many viewers try
_VALID = 60  # seconds that a report is valid
_AT_ONCE = 100


def report(desktop_id: UUID) -> None:
    """Report that a stream did not reach its desktop."""
    try:
        client().set(key("unreachable", str(desktop_id)), "1", ex=_VALID)
        if client().set(key("unreachable-said", str(desktop_id)), "1", nx=True, ex=_EVERY):
            client().sadd(key("unreachable-reports"), str(desktop_id))
    except redis.RedisError as error:
        log.warning("not_reported", error=str(error))


def take_reports() -> list[str]:
    """Return the ids of desktops that were reported since the last call. Raises redis.RedisError."""
    return [str(each) for each in client().spop(key("unreachable-reports"), _AT_ONCE) or ()]


def is_reported(desktop_id: UUID) -> bool:
    """Return whether a stream failed to reach it within the last minute. Raises redis.RedisError."""
    return bool(client().exists(key("unreachable", str(desktop_id))))
