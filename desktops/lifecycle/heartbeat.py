"""Signs of life of controller and workers, in Redis: `/readyz` and the page tell when they are missing."""

import time
from pathlib import Path

import django_rq
import redis
from django.conf import settings
from rq import Worker

from core.redis import client, key

LATE_AFTER = 20  # seconds; the controller beats every few
SLACK = 15  # seconds that a full look may be late before it is a gap: one leader may have died, and another come


def came_round() -> None:
    """A worker's or controller's loop began anew, also while Redis is away: a probe looks at the file's age."""
    if settings.ALIVE_FILE:
        Path(settings.ALIVE_FILE).touch()


def beat() -> None:
    """Raises redis.RedisError when Redis is away."""
    client().set(key("controller", "heartbeat"), str(time.time()), ex=3600)


def tell_runtime(*, answers: bool) -> None:
    """What the controller found when it last asked. Raises redis.RedisError."""
    if not answers:
        client().set(key("runtime", "away"), "1", ex=60)  # a controller that has died says nothing any more
        return
    since = key("runtime", "answers-since")
    with client().pipeline(transaction=False) as told:
        told.delete(key("runtime", "away"))
        told.set(since, str(time.time()), px=_gap(), nx=True)
        told.pexpire(since, _gap())
        told.execute()


def watched_for() -> float:
    """Seconds that desktops have been looked at without a gap. When the runtime, all controllers, Redis or the
    database were away, it begins anew. Raises redis.RedisError."""
    since = client().get(key("runtime", "answers-since"))
    return max(0.0, time.time() - float(str(since))) if since else 0.0


def _gap() -> int:
    """Milliseconds between two full looks."""
    return int((settings.RELIST_SECONDS + SLACK) * 1000)


def runtime_is_away() -> bool:
    try:
        return bool(client().exists(key("runtime", "away")))
    except redis.RedisError:
        return False


def age() -> float | None:
    """Seconds since the last beat; None when there was none in the last hour, or Redis does not say."""
    try:
        value = client().get(key("controller", "heartbeat"))
    except redis.RedisError:
        return None
    return max(0.0, time.time() - float(str(value))) if value else None


def is_late() -> bool:
    seconds = age()
    return seconds is None or seconds > LATE_AFTER


def sentence() -> str:
    """For `/readyz`."""
    seconds = age()
    if seconds is None:
        return "not running: start it with `manage.py run_controller`"
    return "ok" if seconds <= LATE_AFTER else f"late: last heard {seconds:.0f} s ago"


def workers() -> int:
    """How many workers serve the queue; 0 also when Redis does not say."""
    try:
        client().ping()  # fails soon; RQ's own client is patient, and a person waits
        return int(Worker.count(queue=django_rq.get_queue("desktops")))
    except redis.RedisError:
        return 0
