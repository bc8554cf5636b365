"""Locks in Redis that their holder renews, so that a killed holder's lock becomes free within seconds."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from redis.exceptions import LockError, RedisError
from redis.lock import Lock

from core.redis import client, key

log = structlog.get_logger("podesk.locks")
LEASE_SECONDS = 6.0  # a lock that is not renewed for so long is free
WAIT_SECONDS = 2.0  # longer than most work takes; a worker that waits does nothing for other desktops


@contextmanager
def desktop_lock(desktop_id: str) -> Iterator[bool]:
    """Yield whether this process holds the desktop's lock; False if another process kept it for WAIT_SECONDS.

    The lock can be lost during the work. That does no harm, since all work may run twice.
    """
    held = acquire_lock(key("desktop", desktop_id), lease=LEASE_SECONDS, wait=WAIT_SECONDS)
    if not held:
        yield False
        return
    try:
        yield True
    finally:
        held.release()


class HeldLock:
    """A lock that this process holds. A thread renews it while `at_work()` is true, until it is released."""

    def __init__(self, lock: Lock, lease: float, at_work: Callable[[], bool]) -> None:
        self._lock, self._lease, self._at_work = lock, lease, at_work
        self._renewed_at = time.monotonic()
        self._done = threading.Event()
        self._renewing = threading.Thread(target=self._renew, name="renew-lock", daemon=True)
        self._renewing.start()

    @property
    def lost(self) -> bool:
        """Whether another process may hold the lock by now."""
        return not self._renewing.is_alive() or time.monotonic() - self._renewed_at > self._lease

    def release(self) -> None:
        self._done.set()
        self._renewing.join()
        try:
            self._lock.release()
        except RedisError:  # another process holds it by now, or Redis is unavailable and the lock expires by itself
            log.warning("lock_not_released", name=self._lock.name)

    def _renew(self) -> None:
        while not self._done.wait(self._lease / 3) and self._at_work():
            asked_at = time.monotonic()
            try:
                self._lock.reacquire()
                self._renewed_at = asked_at
            except LockError:  # Redis lost its data, or this process was suspended for too long
                log.warning("lock_lost", name=self._lock.name)
                return
            except RedisError as error:
                log.warning("lock_not_renewed", name=self._lock.name, error=str(error))


def acquire_lock(
    name: str, *, lease: float, wait: float = 0, at_work: Callable[[], bool] = lambda: True
) -> HeldLock | None:
    """Return None when another process keeps the lock for all of `wait`. Raises redis.RedisError."""
    # The token belongs to the lock, not to a thread, because another thread renews it.
    lock = client().lock(name, timeout=lease, blocking_timeout=wait, thread_local=False)
    return HeldLock(lock, lease, at_work) if lock.acquire(blocking=wait > 0) else None
