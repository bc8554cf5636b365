"""One at a time on one thing: a lock that its holder renews, so that a killed one's is free within seconds."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from redis.exceptions import LockError, RedisError
from redis.lock import Lock

from core.redis import client, key

log = structlog.get_logger("podesk.exclusive")
LEASE = 6.0  # seconds without renewal until it is free
PATIENCE = 2.0  # seconds to wait for another: longer than most work; who waits keeps a worker from other desktops


@contextmanager
def alone_with(desktop_id: str) -> Iterator[bool]:
    """Whether it is ours: not when another one stays at it. Losing it in the midst does no harm: work may run twice."""
    held = take(key("desktop", desktop_id), lease=LEASE, patience=PATIENCE)
    if not held:
        yield False
        return
    try:
        yield True
    finally:
        held.give_back()


class Held:
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

    def give_back(self) -> None:
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


def take(name: str, *, lease: float, patience: float = 0, at_work: Callable[[], bool] = lambda: True) -> Held | None:
    """None when another has it for as long as that. Raises redis.RedisError."""
    # The token belongs to the lock, not to a thread, because another thread renews it.
    lock = client().lock(name, timeout=lease, blocking_timeout=patience, thread_local=False)
    return Held(lock, lease, at_work) if lock.acquire(blocking=patience > 0) else None
