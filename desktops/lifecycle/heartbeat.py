"""Heartbeats of controller and workers in Redis. `/readyz` and the pages report missing ones."""

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
LATE_AFTER = 20  # seconds; the controller records a heartbeat every few seconds
NEW_FOR = 20  # seconds after a start of Redis in which unknown parts are not reported as missing
SLACK = 15  # seconds that a full comparison may be late; enough for a new leader to take over


def touch_alive_file() -> None:
    """Touch the file whose age the liveness probe checks.

    Worker and controller call it in every loop, even without Redis.
    """
    if settings.ALIVE_FILE:
        Path(settings.ALIVE_FILE).touch()


def wait_for_redis(*, stopped: Callable[[], bool] = lambda: False) -> None:
    """Wait until Redis accepts writes or `stopped` returns true. Logs each reason for waiting once."""
    reported = ""
    while not stopped():
        health = redis_health.look()
        if health.reason and health.reason != reported:
            log.warning("redis_unavailable", reason=health.reason, error=health.detail)
        elif health.ok:
            if reported:
                log.info("redis_takes_writes_again")
            return
        reported = health.reason
        touch_alive_file()
        time.sleep(_ASK_AGAIN)


def record_controller_beat() -> None:
    """Record that the controller is alive. Raises redis.RedisError."""
    client().set(key("controller", "heartbeat"), str(time.time()), ex=3600)


def record_runtime_outage(*, refused: bool) -> None:
    """Record that the runtime did not answer the controller's last call, or refused it. Raises redis.RedisError."""
    client().set(key("runtime", "away"), "refused" if refused else "1", ex=60)  # expires if the controller dies


def record_runtime_answer() -> None:
    """Record that the runtime answered the controller's last call. Raises redis.RedisError."""
    since = key("runtime", "answers-since")
    with client().pipeline(transaction=False) as pipeline:
        pipeline.delete(key("runtime", "away"))
        pipeline.set(since, str(time.time()), px=_gap(), nx=True)
        pipeline.pexpire(since, _gap())
        pipeline.execute()


def record_round() -> None:
    """Record that a full comparison has just ended, or that a new leader is about to begin one.

    Raises redis.RedisError.
    """
    client().set(key("controller", "round"), str(time.time()))


def round_age() -> float | None:
    """Return the seconds since the last full comparison, or None if it is not known. Raises redis.RedisError."""
    value = client().get(key("controller", "round"))
    return max(0.0, time.time() - float(str(value))) if value else None


def observed_seconds() -> float:
    """Return for how many seconds desktops have been observed without a gap. Raises redis.RedisError.

    It restarts at zero after the runtime, all controllers, Redis or the database were unavailable.
    """
    since = client().get(key("runtime", "answers-since"))
    return max(0.0, time.time() - float(str(since))) if since else 0.0


def _gap() -> int:
    """Return the longest time between two full comparisons, in milliseconds."""
    return int((settings.RELIST_SECONDS + SLACK) * 1000)


def runtime_outage() -> str:
    """Return "away" if the runtime does not answer, "refused" if it denies access, else an empty string."""
    try:
        found = client().get(key("runtime", "away"))
    except redis.RedisError:
        return ""
    return ("refused" if str(found) == "refused" else "away") if found else ""


def age() -> float | None:
    """Return the seconds since the controller's last heartbeat, or None if there was none for an hour.

    Raises redis.RedisError.
    """
    value = client().get(key("controller", "heartbeat"))
    return max(0.0, time.time() - float(str(value))) if value else None


@dataclass(frozen=True)
class ControllerHealth:
    """The controller's health. `status` is unknown if Redis is unavailable or was started empty a moment ago."""

    status: str = "unknown"  # ok, late, missing, unknown
    seconds_since: float | None = None  # since its last heartbeat


@dataclass(frozen=True)
class PartsHealth:
    """The parts that a starting or stopping desktop depends on. Without Redis, the others are unknown."""

    redis: RedisHealth = field(default_factory=RedisHealth)
    controller: ControllerHealth = field(default_factory=ControllerHealth)
    workers: int | None = None
    runtime_outage: str = ""  # away, refused


def look() -> PartsHealth:
    """Return the health of all parts. Tests a write to Redis first: if that fails, its other data may be outdated."""
    health = redis_health.look()
    if not health.ok:
        return PartsHealth(health)
    try:
        return PartsHealth(health, controller(), _workers(), runtime_outage())
    except redis.RedisError as error:  # Redis became unavailable just now
        return PartsHealth(RedisHealth(redis_health.reason_of(error), str(error)))


def controller() -> ControllerHealth:
    """Return the controller's health. Call this only while Redis accepts writes. Raises redis.RedisError."""
    seconds = age()
    if seconds is None:
        return ControllerHealth("unknown" if _redis_is_new() else "missing")
    return ControllerHealth("late" if seconds > LATE_AFTER else "ok", round(seconds, 1))


def sentence() -> str:
    """Return the controller's health as text for `/readyz`, while Redis accepts writes. Raises redis.RedisError."""
    found = controller()
    return {
        "ok": "ok",
        "late": f"late: last heartbeat {found.seconds_since or 0:.0f} s ago",
        "missing": "not running: start it with `manage.py run_controller`",
        "unknown": "unknown: Redis was started a moment ago",
    }[found.status]


def _workers() -> int | None:
    """Return how many workers serve the queue."""
    count = int(Worker.count(queue=django_rq.get_queue("desktops")))
    return None if count == 0 and _redis_is_new() else count


def _redis_is_new() -> bool:
    """Say whether Redis has just started: it may be empty, and parts will report again soon."""
    reported: Any = client().info("server")
    return int(reported["uptime_in_seconds"]) < NEW_FOR
