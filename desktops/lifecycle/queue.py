"""Put work on the queue. The only door to RQ for those who order work: services and controller."""

import time
from collections.abc import Callable
from typing import Any

import django_rq
import redis
import structlog
from django.db import transaction
from django.utils import timezone

from core.redis import client, key

log = structlog.get_logger("podesk.queue")
_REPEAT_SECONDS = 10  # seconds between two orders of the same work
_BEHIND = 2.0  # seconds that the oldest work waits when the workers do not keep up

Work = Callable[[str], None]


def enqueue_after_commit(work: Work, argument: Any) -> None:
    """If Redis is away the row waits, and the controller orders the work again when Redis is back."""
    transaction.on_commit(lambda: _enqueue(work, str(argument)), robust=True)


def enqueue_again(work: Work, argument: Any) -> None:
    """For work that seems lost: does nothing while an earlier repetition waits, or was ordered a moment ago.

    Nor while the queue is long: what seems lost may stand in it, and a repetition would only stand behind it.
    """
    job_id = f"again-{work.__name__}-{argument}"
    try:
        if not is_behind() and not _is_waiting(job_id) and client().set(key(job_id), "1", nx=True, ex=_REPEAT_SECONDS):
            _enqueue(work, str(argument), job_id=job_id)
    except redis.RedisError as error:
        log.warning("not_queued", work=work.__name__, argument=str(argument), error=str(error))


def enqueue_later(work: Work, argument: Any, seconds: float) -> None:
    """Work that was put off. Held in Redis until it is due; if Redis loses it, its row has it ordered again."""
    try:
        client().zadd(key("later"), {f"{work.__module__}.{work.__name__} {argument}": time.time() + seconds})
    except redis.RedisError as error:
        log.warning("not_queued", work=work.__name__, argument=str(argument), error=str(error))


def send_due() -> None:
    """What was put off and is due now. Raises redis.RedisError."""
    for order in map(str, client().zrangebyscore(key("later"), 0, time.time())):
        if client().zrem(key("later"), order):  # else somebody else has just sent it
            work, _, argument = order.partition(" ")
            django_rq.get_queue("desktops").enqueue(work, argument, result_ttl=0)


def depth() -> tuple[int, float]:
    """How much waits, and for how many seconds the oldest of it has. Raises redis.RedisError."""
    client().ping()  # as below
    queue = django_rq.get_queue("desktops")
    return int(queue.count), _waited(queue)


def is_behind() -> bool:
    """Work waits longer than it should: what seems lost may be among it. Raises redis.RedisError."""
    return _waited(django_rq.get_queue("desktops")) > _BEHIND


def _enqueue(work: Work, argument: str, job_id: str | None = None) -> None:
    try:
        client().ping()  # fails soon; RQ's own client is patient, and a person waits
        django_rq.get_queue("desktops").enqueue(work, argument, job_id=job_id, result_ttl=0)
    except redis.RedisError as error:
        log.warning("not_queued", work=work.__name__, argument=argument, error=str(error))


def _waited(queue: Any) -> float:
    first = queue.get_job_ids(0, 1)
    oldest = queue.fetch_job(first[0]) if first else None
    return (timezone.now() - oldest.enqueued_at).total_seconds() if oldest and oldest.enqueued_at else 0.0


def _is_waiting(job_id: str) -> bool:
    """By its place in the queue: one that was taken by a worker and lost with it says of itself that it waits."""
    return django_rq.get_queue("desktops").get_job_position(job_id) is not None
