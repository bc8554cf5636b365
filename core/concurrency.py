"""Limit how many streams and waiting requests one person has open, across all replicas.

A slot is a member of a sorted set in Redis. Its score is the time at which it expires, so the slots of a killed
process become free. Without Redis everybody is let through, as with the rate limits.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import redis
import structlog
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from core import metrics
from core.errors import Refusal
from core.redis import client, key

log = structlog.get_logger("podesk.api")
LEASE = 60.0  # seconds; a slot that is used for longer is renewed
_KEPT = 3600  # seconds; longer than any slot is held
# Atomic, so that concurrent requests cannot take more slots than there are.
_ACQUIRE = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[2])
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then
  return 0
end
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[5])
return 1
"""


class TooManyOpen(Refusal):
    slug, status_code = "too_many_open", 429
    message = _("You have too many streams or waiting requests open.")
    next_step = _("Close one, or try again when one has ended.")


class ConcurrencySlot:
    """One slot of a person. `kind` is a key of settings.API_OPEN."""

    def __init__(self, kind: str, user_id: str, *, seconds: float = LEASE) -> None:
        self._kind = kind
        self._key, self._most = key("open", kind, user_id), settings.API_OPEN[kind]
        self._name, self._seconds = uuid4().hex, seconds

    def acquire(self) -> None:
        """Take the slot. Raises TooManyOpen."""
        if self._most and not self._held():
            metrics.count_refusal(self._kind)
            raise TooManyOpen(detail=self._key)

    def renew(self) -> None:
        """Extend the slot by its lease. If Redis lost its data, take a new slot when one is free."""
        if self._most:
            self._held()

    def release(self) -> None:
        try:
            client().zrem(self._key, self._name)
        except redis.RedisError as error:
            log.info("slot_not_released", error=str(error))

    def _held(self) -> bool:
        now = time.time()
        try:
            return bool(client().eval(_ACQUIRE, 1, self._key, self._name, now, now + self._seconds, self._most, _KEPT))
        except redis.RedisError as error:
            log.warning("slots_not_counted", error=str(error))
            return True


@contextmanager
def waiting_slot(user_id: str, seconds: int) -> Iterator[None]:
    """Hold a slot while a request does its work and waits, so that a request over the limit fails before the work."""
    if not seconds:
        yield
        return
    slot = ConcurrencySlot("waits", user_id, seconds=seconds + LEASE)
    slot.acquire()
    try:
        yield
    finally:
        slot.release()
