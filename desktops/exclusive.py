"""One worker at a time on one thing: a lock that its holder renews, so that a killed one's is free within seconds."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from redis.exceptions import LockError, RedisError
from redis.lock import Lock

from accounts.redis import client, key

log = structlog.get_logger("podesk.exclusive")
LEASE = 6.0  # seconds without renewal until it is free
PATIENCE = 30.0  # seconds to wait for another: longer than any job


@contextmanager
def alone_with(desktop_id: str) -> Iterator[bool]:
    """Whether it is ours: not when another one stays at it. Losing it in the midst does no harm: work may run twice."""
    # The token belongs to the lock, not to a thread, because another thread renews it.
    name = key("desktop", desktop_id)
    lock = client().lock(name, timeout=LEASE, blocking_timeout=PATIENCE, thread_local=False)
    if not lock.acquire():
        yield False
        return
    done = threading.Event()
    renewing = threading.Thread(target=_renew, args=(lock, done), name="renew-lock", daemon=True)
    renewing.start()
    try:
        yield True
    finally:
        done.set()
        renewing.join()
        _release(lock)


def _renew(lock: Lock, done: threading.Event) -> None:
    while not done.wait(LEASE / 3):
        try:
            lock.reacquire()
        except LockError:  # Redis came back empty, or this process stood still for too long
            log.warning("lock_lost")
            return
        except RedisError as error:
            log.warning("lock_not_renewed", error=str(error))


def _release(lock: Lock) -> None:
    try:
        lock.release()
    except RedisError:  # not ours any more, or Redis is away: then it ends by itself
        log.warning("lock_not_released")
