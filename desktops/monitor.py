"""How all is: the parts that Podesk needs, and how many desktops there are in which status.

Every number is read here, each on its own: where one part is away the others still tell."""

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
    """Known by Redis, and unknown without: also while it refuses writes, for then nobody can report anything to it."""

    redis: str = "away"  # ok, away, refuses_writes
    redis_detail: str | None = None  # what is wrong with Redis, in the reader's language
    controller: ControllerHealth = field(default_factory=ControllerHealth)
    workers: int | None = None
    runtime: str = "unknown"
    queue: QueueHealth | None = None

    @property
    def all_well(self) -> bool:
        return self.redis == "ok" and self.controller.status == "ok" and bool(self.workers) and self.runtime == "ok"


@dataclass(frozen=True)
class Report:
    database: str
    parts: Parts
    desktops: dict[str, int] | None  # by status; None: the database does not say
    scope: str | None  # "mine" or "everyone"
    lost_volumes: int | None = None  # home folders that the runtime no longer has; None: the database does not say

    @property
    def status(self) -> str:
        return "ok" if self.database == "ok" and self.parts.all_well else "degraded"


def report(*, user_id: str) -> Report:
    """For that person: of all desktops if he may see them all, else of his own."""
    try:
        everyone = _sees_all(user_id)
        whose = {} if everyone else {"owner__pk": user_id}
        lost = Volume.objects.filter(lost_at__isnull=False, **whose).count()
        return Report("ok", parts(), _by_status(whose), "everyone" if everyone else "mine", lost)
    except Error:
        return Report("away", parts(), None, None)


def parts() -> Parts:
    found = heartbeat.look()  # the only one that waits where nobody answers
    if not found.redis.ok:
        status = "refuses_writes" if found.redis.answers else "away"
        return Parts(redis=status, redis_detail=found.redis.sentence)
    return Parts(
        redis="ok",
        controller=found.controller,
        workers=found.workers,
        runtime="away" if found.runtime_unavailable else "ok",
        queue=_queue(),
    )


def _queue() -> QueueHealth | None:
    try:
        return QueueHealth(*queue.depth())
    except redis.RedisError:  # it went in this moment
        return None


def _sees_all(user_id: str) -> bool:
    user = User.objects.filter(pk=user_id, is_active=True).first()
    return bool(user and user.is_staff and user.has_perm("desktops.view_desktop"))


def _by_status(whose: dict[str, str]) -> dict[str, int]:
    rows = Desktop.objects.filter(**whose)
    found: dict[str, int] = dict(rows.order_by().values_list("status").annotate(Count("pk")))
    return {status: found.get(status, 0) for status in Status.values}
