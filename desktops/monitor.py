"""The health of the parts that Podesk needs, and the number of desktops in each status.

Each number is read separately, so that one unavailable part does not hide the others.
"""

from dataclasses import dataclass, field

import redis
from django.db import Error
from django.db.models import Count

from accounts.models import User
from desktops.lifecycle import heartbeat, queue
from desktops.lifecycle.heartbeat import ControllerHealth
from desktops.models import Desktop, Status, Volume


@dataclass(frozen=True)
class QueueHealth:
    depth: int
    oldest_seconds: float


@dataclass(frozen=True)
class Parts:
    """The state of the parts that report to Redis. Unknown while Redis is unavailable or refuses writes."""

    redis: str = "away"  # ok, away, refuses_writes
    redis_detail: str | None = None  # what is wrong with Redis, in the reader's language
    controller: ControllerHealth = field(default_factory=ControllerHealth)
    workers: int | None = None
    runtime: str = "unknown"
    queue: QueueHealth | None = None

    @property
    def all_ok(self) -> bool:
        return self.redis == "ok" and self.controller.status == "ok" and bool(self.workers) and self.runtime == "ok"


@dataclass(frozen=True)
class Report:
    database: str
    parts: Parts
    desktops: dict[str, int] | None  # by status; None: the database is unavailable
    scope: str | None  # "mine" or "everyone"
    lost_volumes: int | None = None  # home folders missing from the runtime; None: the database is unavailable

    @property
    def status(self) -> str:
        return "ok" if self.database == "ok" and self.parts.all_ok else "degraded"


def report(*, user_id: str) -> Report:
    """Return the report for a user: of all desktops if they may view all, else of their own."""
    try:
        everyone = _sees_all(user_id)
        whose = {} if everyone else {"owner__pk": user_id}
        lost = Volume.objects.filter(lost_at__isnull=False, **whose).count()
        return Report("ok", parts(), _by_status(whose), "everyone" if everyone else "mine", lost)
    except Error:
        return Report("away", parts(), None, None)


def parts() -> Parts:
    found = heartbeat.look()  # the only call that may wait for an unavailable part
    if not found.redis.ok:
        status = "refuses_writes" if found.redis.answers else "away"
        return Parts(redis=status, redis_detail=found.redis.sentence)
    return Parts(
        redis="ok",
        controller=found.controller,
        workers=found.workers,
        runtime="away" if found.runtime_outage else "ok",
        queue=_queue(),
    )


def _queue() -> QueueHealth | None:
    try:
        return QueueHealth(*queue.depth())
    except redis.RedisError:  # Redis became unavailable just now
        return None


def _sees_all(user_id: str) -> bool:
    user = User.objects.filter(pk=user_id, is_active=True).first()
    return bool(user and user.is_staff and user.has_perm("desktops.view_desktop"))


def _by_status(whose: dict[str, str]) -> dict[str, int]:
    rows = Desktop.objects.filter(**whose)
    found: dict[str, int] = dict(rows.order_by().values_list("status").annotate(Count("pk")))
    return {status: found.get(status, 0) for status in Status.values}
