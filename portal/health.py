"""Is this process alive, and can it serve?"""

import redis
from django.db import Error, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache

from accounts.redis import client
from desktops import heartbeat


def healthz(request: HttpRequest) -> HttpResponse:
    """Alive: the process answers. Asks nobody else, so that a lost database restarts no web server."""
    return HttpResponse("ok\n", content_type="text/plain")


@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when the database and Redis answer. A late controller is told, but takes no web server out of service."""
    report = {"database": _database(), "redis": _redis()}
    ready = set(report.values()) == {"ok"}
    report["controller"] = heartbeat.sentence()
    return JsonResponse({"ready": ready, **report}, status=200 if ready else 503)


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        return "does not answer"
    return "ok"


def _redis() -> str:
    try:
        client().ping()
    except redis.RedisError:
        return "does not answer"
    return "ok"
