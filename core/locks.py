"""One at a time on one thing: a lock that its holder renews, so that a killed one's is free within seconds."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from redis.exceptions import LockError, RedisError
from redis.lock import Lock

from core.redis import client, key

log = structlog.get_logger("podesk.locks")
LEASE_SECONDS = 6.0  # seconds without renewal until it is free
WAIT_SECONDS = 2.0  # seconds to wait for another: longer than most work; who waits keeps a worker from other desktops


@contextmanager
def desktop_lock(desktop_id: str) -> Iterator[bool]:
    """Whether it is ours: not when another one stays at it. Losing it in the midst does no harm: work may run twice."""
    held = acquire_lock(key("desktop", desktop_id), lease=LEASE_SECONDS, wait=WAIT_SECONDS)
    if not held:
        yield False
        return
    try:
        yield True
    finally:
        held.release()


class HeldLock:
    """A lock that is ours. A thread renews it, while `at_work` says that its holder is, until it is given back."""

    def __init__(self, lock: Lock, lease: float, at_work: Callable[[], bool]) -> None:
        self._lock, self._lease, self._at_work = lock, lease, at_work
        self._renewed_at = time.monotonic()
        self._done = threading.Event()
        self._renewing = threading.Thread(target=self._renew, name="renew-lock", daemon=True)
        self._renewing.start()

    @property
    def lost(self) -> bool:
        """Somebody else may have it."""
        return not self._renewing.is_alive() or time.monotonic() - self._renewed_at > self._lease

    def release(self) -> None:
        self._done.set()
        self._renewing.join()
        try:
            self._lock.release()
        except RedisError:  # not ours any more, or Redis is away: then it ends by itself
            log.warning("lock_not_released", name=self._lock.name)

    def _renew(self) -> None:
        while not self._done.wait(self._lease / 3) and self._at_work():
            asked_at = time.monotonic()
            try:
                self._lock.reacquire()
                self._renewed_at = asked_at
            except LockError:  # Redis came back empty, or this process stood still for too long
                log.warning("lock_lost", name=self._lock.name)
                return
            except RedisError as error:
                log.warning("lock_not_renewed", name=self._lock.name, error=str(error))


def acquire_lock(
    name: str, *, lease: float, wait: float = 0, at_work: Callable[[], bool] = lambda: True
) -> HeldLock | None:
    """None when another has it for as long as that. Raises redis.RedisError."""
    # The token belongs to the lock, not to a thread, because another thread renews it.
    lock = client().lock(name, timeout=lease, blocking_timeout=wait, thread_local=False)
    return HeldLock(lock, lease, at_work) if lock.acquire(blocking=wait > 0) else None
