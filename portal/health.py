"""Serve the health checks: whether this process is alive, and whether it can serve requests."""

from django.conf import settings
from django.db import Error, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import translation
from django.views.decorators.cache import never_cache
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from core import redis_health
from core.version import VERSION
from desktops.lifecycle import heartbeat

_UNKNOWN = "unknown: it reports through Redis"
_TIMEOUT = 2  # seconds for each check; the kubelet waits five for the whole answer


def healthz(request: HttpRequest) -> HttpResponse:
    """Return 200 while the process works. Nothing else is checked, so that a database outage restarts no web server."""
    return HttpResponse("ok\n", content_type="text/plain")


@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """Return 200 if the database responds. Redis and the controller are only reported.

    Screens, pages and API work without them, and a failure would remove all pods from their Services at the same time.
    """
    report = {"database": _database(), "redis": _redis()}
    ready = report["database"] == "ok"
    report["controller"] = _controller() if report["redis"] == "ok" else _UNKNOWN
    return JsonResponse({"ready": ready, **report, "version": VERSION}, status=200 if ready else 503)


def _database() -> str:
    try:
        _ask_database()
    except Error:
        return "does not answer"
    return "ok"


def _ask_database() -> None:
    """Query the database, with a shorter timeout than requests have for a pooled connection. Raises django.db.Error."""
    pool = getattr(connection, "pool", None)
    if pool is None:  # SQLite
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return
    with connection.wrap_database_errors:
        pool.open()
        with pool.connection(timeout=_TIMEOUT) as borrowed:
            borrowed.execute("SELECT 1")


def _controller() -> str:
    try:
        return heartbeat.sentence()
    except RedisError:  # Redis became unavailable just now
        return _UNKNOWN


def _redis() -> str:
    """Check Redis with a separate connection, since the shared one has a longer timeout and retries."""
    once = Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=_TIMEOUT,
        socket_connect_timeout=_TIMEOUT,
        retry=Retry(NoBackoff(), retries=0),
    )
    with once, translation.override("en"):
        health = redis_health.look(once)
        return "ok" if health.ok else "does not answer" if health.reason == "away" else health.sentence
