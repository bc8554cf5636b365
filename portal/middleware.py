"""Answer probes, and give every other request an ID for its logs and its response."""

import re
import time
from collections.abc import Callable
from uuid import uuid4

import structlog
from django.http import HttpRequest, HttpResponse

from core import metrics
from portal import health

log = structlog.get_logger("podesk.request")
_ACCEPTABLE = re.compile(r"[\w.-]{8,64}")


class ProbeMiddleware:
    """Answers probes. It must come first: a kubelet uses plain HTTP and an address that is not in ALLOWED_HOSTS."""

    answers = {
        "/healthz": health.healthz,
        "/readyz": health.readyz,
        "/health": health.healthz,  # names that probes of other portals use
        "/ready": health.readyz,
    }

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.answers.get(request.path, self.get_response)(request)


class RequestContextMiddleware:
    """Adds a request ID to each log line and to the response's X-Request-ID."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        request_id = given if _ACCEPTABLE.fullmatch(given) else uuid4().hex
        began = time.monotonic()
        if request.encoding:
            request.encoding = "utf-8"  # always ours; a Content-Type with `charset=base64` would break decoding
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self.get_response(request)
            seconds = time.monotonic() - began
            metrics.count_request(request, response.status_code, seconds)
            # Only the path: a query string may contain secrets.
            log.info(
                "request",
                method=request.method,
                path=request.path,
                status=response.status_code,
                milliseconds=round(seconds * 1000, 1),
            )
        response["X-Request-ID"] = request_id
        return response
