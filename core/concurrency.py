"""How much one person holds open at once: streams, and answers that wait. Counted in Redis, for all replicas together.

A slot is a line in a sorted set with the time from which it counts as empty, so that whoever was killed gives his
back. Redis away: everybody is let through, as with the rates."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import redis
import structlog
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from core.errors import Refusal
from core.redis import client, key

log = structlog.get_logger("podesk.api")
LEASE = 60.0  # seconds; whoever stays longer says so in time
_KEPT = 3600  # seconds; longer than any slot is taken for
# One step: of many that ask at once, no more get in than there are slots.
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
    """`kind`: of settings.API_OPEN."""

    def __init__(self, kind: str, user_id: str, *, seconds: float = LEASE) -> None:
        self._key, self._most = key("open", kind, user_id), settings.API_OPEN[kind]
        self._name, self._seconds = uuid4().hex, seconds

    def acquire(self) -> None:
        """Raises TooManyOpen."""
        if self._most and not self._held():
            raise TooManyOpen(detail=self._key)

    def renew(self) -> None:
        """For another LEASE. In a Redis that came back empty the slot is taken anew, if there is one."""
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
    """Around what is ordered and the wait for it, so that whoever has too many is refused before anything is done."""
    if not seconds:
        yield
        return
    slot = ConcurrencySlot("waits", user_id, seconds=seconds + LEASE)
    slot.acquire()
    try:
        yield
    finally:
        slot.release()
