"""Signs of life of controller and workers, in Redis: `/readyz` and the page tell when they are missing."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import django_rq
import redis
import structlog
from django.conf import settings
from rq import Worker

from core import redis_health
from core.redis import client, key
from core.redis_health import RedisHealth

log = structlog.get_logger("podesk.heartbeat")
_ASK_AGAIN = 1.0  # seconds
LATE_AFTER = 20  # seconds; the controller beats every few
NEW_FOR = 20  # seconds from the start of Redis in which a part that it does not know is not missing
SLACK = 15  # seconds that a full look may be late before it is a gap: one leader may have died, and another come


def touch_alive_file() -> None:
    """A worker's or controller's loop began anew, also while Redis is away: a probe looks at the file's age."""
    if settings.ALIVE_FILE:
        Path(settings.ALIVE_FILE).touch()


def wait_for_redis(*, stopped: Callable[[], bool] = lambda: False) -> None:
    """Return when Redis takes writes, or when `stopped` says so. The log says why it waits, once for each reason."""
    said = ""
    while not stopped():
        health = redis_health.look()
        if health.reason and health.reason != said:
            log.warning("redis_unavailable", reason=health.reason, error=health.detail)
        elif health.ok:
            if said:
                log.info("redis_takes_writes_again")
            return
        said = health.reason
        touch_alive_file()
        time.sleep(_ASK_AGAIN)


def record_controller_beat() -> None:
    """Raises redis.RedisError when Redis is away."""
    client().set(key("controller", "heartbeat"), str(time.time()), ex=3600)


def record_runtime_answer(*, answers: bool) -> None:
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


def observed_seconds() -> float:
    """Seconds that desktops have been looked at without a gap. When the runtime, all controllers, Redis or the
    database were away, it begins anew. Raises redis.RedisError."""
    since = client().get(key("runtime", "answers-since"))
    return max(0.0, time.time() - float(str(since))) if since else 0.0


def _gap() -> int:
    """Milliseconds between two full looks."""
    return int((settings.RELIST_SECONDS + SLACK) * 1000)


def runtime_is_unavailable() -> bool:
    try:
        return bool(client().exists(key("runtime", "away")))
    except redis.RedisError:
        return False


def age() -> float | None:
    """Return the seconds since the last beat; None when there was none in the last hour. Raises redis.RedisError."""
    value = client().get(key("controller", "heartbeat"))
    return max(0.0, time.time() - float(str(value))) if value else None


@dataclass(frozen=True)
class ControllerHealth:
    """`status` is unknown while Redis cannot report it: it is unavailable, or was started empty a moment ago."""

    status: str = "unknown"  # ok, late, missing, unknown
    seconds_since: float | None = None  # it last gave a sign of life


@dataclass(frozen=True)
class PartsHealth:
    """The parts that a desktop on its way depends on. Without Redis the others are unknown."""

    redis: RedisHealth = field(default_factory=RedisHealth)
    controller: ControllerHealth = field(default_factory=ControllerHealth)
    workers: int | None = None
    runtime_unavailable: bool | None = None


def look() -> PartsHealth:
    """Ask Redis, by a write first: of a Redis that refuses writes, nothing else that it says is new."""
    health = redis_health.look()
    if not health.ok:
        return PartsHealth(health)
    try:
        return PartsHealth(health, controller(), _workers(), runtime_is_unavailable())
    except redis.RedisError as error:  # it went in this moment
        return PartsHealth(RedisHealth(redis_health.reason_of(error), str(error)))


def controller() -> ControllerHealth:
    """Call while Redis takes writes. Raises redis.RedisError."""
    seconds = age()
    if seconds is None:
        return ControllerHealth("unknown" if _redis_is_new() else "missing")
    return ControllerHealth("late" if seconds > LATE_AFTER else "ok", round(seconds, 1))


def sentence() -> str:
    """For `/readyz`, while Redis takes writes. Raises redis.RedisError."""
    found = controller()
    return {
        "ok": "ok",
        "late": f"late: last heard {found.seconds_since or 0:.0f} s ago",
        "missing": "not running: start it with `manage.py run_controller`",
        "unknown": "unknown: Redis was started a moment ago",
    }[found.status]


def _workers() -> int | None:
    """Return how many workers serve the queue."""
    count = int(Worker.count(queue=django_rq.get_queue("desktops")))
    return None if count == 0 and _redis_is_new() else count


def _redis_is_new() -> bool:
    """Whether Redis was started so short a time ago that it may have come back empty, and parts report again soon."""
    said: Any = client().info("server")
    return int(said["uptime_in_seconds"]) < NEW_FOR
