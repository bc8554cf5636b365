"""Check whether Redis answers and accepts writes, and if not, why.

A Redis whose memory or disk is full still answers, but refuses every write.
"""

from dataclasses import dataclass

import redis
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from redis import Redis

from core.redis import client, key

_SENTENCES: dict[str, Promise] = {
    "away": _("Redis is unavailable: it does not answer."),
    "loading": _("Redis is unavailable: it is still loading its data."),
    "not_permitted": _("Redis is unavailable: it refuses the portal's password or rights."),
    "memory_full": _("Redis answers but refuses writes: its memory is full (maxmemory)."),
    "save_failed": _("Redis answers but refuses writes: it could not save its data to disk."),
    "read_only": _("Redis answers but refuses writes: it is a read-only replica."),
    "too_few_replicas": _("Redis answers but refuses writes: too few replicas are connected to it."),
    "writes_refused": _("Redis answers but refuses writes."),
}
# With any other reason Redis answers but refuses writes.
_UNREACHABLE = ("away", "loading", "not_permitted")
# redis-py has classes for some errors of Redis; for the rest the error code is at the start of the text.
# The order matters: the first entries are subclasses of ConnectionError too.
_KINDS = (
    (redis.BusyLoadingError, "loading"),
    ((redis.AuthenticationError, redis.exceptions.NoPermissionError), "not_permitted"),
    ((redis.ConnectionError, redis.TimeoutError, redis.exceptions.MasterDownError), "away"),
    (redis.OutOfMemoryError, "memory_full"),
    (redis.ReadOnlyError, "read_only"),
)
_CODES = {"MISCONF": "save_failed", "NOREPLICAS": "too_few_replicas", "NOAUTH": "not_permitted"}


@dataclass(frozen=True)
class RedisHealth:
    reason: str = ""  # empty when Redis is healthy
    detail: str = ""  # the error text of Redis or the connection, for the log

    @property
    def ok(self) -> bool:
        return not self.reason

    @property
    def answers(self) -> bool:
        return self.reason not in _UNREACHABLE

    @property
    def sentence(self) -> str:
        return sentence(self.reason)


def sentence(reason: str) -> str:
    """Return what is wrong, in the active language. Empty for an empty reason."""
    return str(_SENTENCES[reason]) if reason else ""


def look(connection: "Redis | None" = None) -> RedisHealth:
    """Check Redis with a small write, since reads work even where writes are refused. One round trip; never raises."""
    try:
        (connection or client()).set(key("probe"), "1", ex=60)
    except redis.RedisError as error:
        return RedisHealth(reason_of(error), str(error))
    return RedisHealth()


def reason_of(error: redis.RedisError) -> str:
    """Return the slug for the reason why a command failed."""
    for kinds, slug in _KINDS:
        if isinstance(error, kinds):
            return slug
    return _CODES.get(str(error).partition(" ")[0], "writes_refused")
