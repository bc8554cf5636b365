"""Put jobs on the queue. Services and controller use RQ only through this module."""

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
_REPEAT_SECONDS = 10  # seconds between two repeats of the same job
_BEHIND = 2.0  # seconds that the oldest job has waited when the workers do not keep up

Work = Callable[[str], None]


def enqueue_after_commit(work: Work, argument: Any) -> None:
    """Queue a job after commit. If Redis is unavailable, the controller queues it again later."""
    transaction.on_commit(lambda: _enqueue(work, str(argument)), robust=True)


def enqueue_again(work: Work, argument: Any) -> None:
    """Queue a job again that may be lost. Does nothing if a repeat is waiting or was queued a moment ago.

    Also does nothing while the queue is long: the first job is probably still waiting in it.
    """
    job_id = f"again-{work.__name__}-{argument}"
    try:
        if not is_behind() and not _is_waiting(job_id) and client().set(key(job_id), "1", nx=True, ex=_REPEAT_SECONDS):
            _enqueue(work, str(argument), job_id=job_id)
    except redis.RedisError as error:
        log.warning("not_queued", work=work.__name__, argument=str(argument), error=str(error))


def enqueue_later(work: Work, argument: Any, seconds: float) -> None:
    """Queue a job that is due in `seconds`.

    Redis holds it until then; if it is lost, the controller queues it again.
    """
    try:
        client().zadd(key("later"), {f"{work.__module__}.{work.__name__} {argument}": time.time() + seconds})
    except redis.RedisError as error:
        log.warning("not_queued", work=work.__name__, argument=str(argument), error=str(error))


def send_due() -> None:
    """Queue the delayed jobs that are due now. Raises redis.RedisError."""
    for order in map(str, client().zrangebyscore(key("later"), 0, time.time())):
        if client().zrem(key("later"), order):  # otherwise another process has just sent it
            work, _, argument = order.partition(" ")
            django_rq.get_queue("desktops").enqueue(work, argument, result_ttl=0)


def depth() -> tuple[int, float]:
    """Return the number of waiting jobs and the seconds that the oldest has waited. Raises redis.RedisError."""
    client().ping()  # see _enqueue
    queue = django_rq.get_queue("desktops")
    return int(queue.count), _waited(queue)


def is_behind() -> bool:
    """Say whether jobs wait longer than they should; a job that seems lost may be among them.

    Raises redis.RedisError.
    """
    return _waited(django_rq.get_queue("desktops")) > _BEHIND


def _enqueue(work: Work, argument: str, job_id: str | None = None) -> None:
    try:
        client().ping()  # fails fast, while RQ's own client would retry for long
        django_rq.get_queue("desktops").enqueue(work, argument, job_id=job_id, result_ttl=0)
    except redis.RedisError as error:
        log.warning("not_queued", work=work.__name__, argument=argument, error=str(error))


def _waited(queue: Any) -> float:
    first = queue.get_job_ids(0, 1)
    oldest = queue.fetch_job(first[0]) if first else None
    return (timezone.now() - oldest.enqueued_at).total_seconds() if oldest and oldest.enqueued_at else 0.0


def _is_waiting(job_id: str) -> bool:
    """Say whether a job is in the queue.

    RQ's job status is not used: it stays "queued" if a worker dies while taking the job.
    """
    return django_rq.get_queue("desktops").get_job_position(job_id) is not None
