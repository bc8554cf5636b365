"""Return 503 with Retry-After while the database is unavailable."""

from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string

from core.api.database_faults import DATABASE_FAULTS, DATABASE_UNAVAILABLE, RETRY_AFTER
from core.api.problems import CONTENT_TYPE

log = structlog.get_logger("podesk.database")


class DatabaseUnavailableMiddleware:
    """Handles database errors that a view does not catch itself."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, DATABASE_FAULTS):
            return None
        log.error("database_away", exc_info=exception)
        answer = _problem(request) if request.path.startswith("/api/") else _page()
        answer["Retry-After"] = RETRY_AFTER
        return answer


def _problem(request: HttpRequest) -> HttpResponse:
    return JsonResponse(DATABASE_UNAVAILABLE.body(request), status=503, content_type=CONTENT_TYPE)


def _page() -> HttpResponse:
    """Return the page, rendered without the request, since its user would be read from the database."""
    return HttpResponse(render_to_string("503.html"), status=503)
