"""What happens to every request first: probes are answered, all others get a request id in logs and answer."""

import re
import time
from collections.abc import Callable
from uuid import uuid4

import structlog
from django.http import HttpRequest, HttpResponse

from portal import health

log = structlog.get_logger("podesk.request")
_ACCEPTABLE = re.compile(r"[\w.-]{8,64}")


class ProbeMiddleware:
    """Before all others: a kubelet asks over plain HTTP, by the pod's address, which no ALLOWED_HOSTS can name."""

    answers = {
        "/healthz": health.healthz,
        "/readyz": health.readyz,
        "/health": health.healthz,  # the names that probes written for other portals use
        "/ready": health.readyz,
    }

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.answers.get(request.path, self.get_response)(request)


class RequestContextMiddleware:
    """A request id in each log line, and in the answer's X-Request-ID."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        request_id = given if _ACCEPTABLE.fullmatch(given) else uuid4().hex
        began = time.monotonic()
        if request.encoding:
            request.encoding = "utf-8"  # ours throughout; `charset=base64` in a Content-Type would break all reading
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self.get_response(request)
            # The path only: a query string may hold what must not be logged.
            log.info(
                "request",
                method=request.method,
                path=request.path,
                status=response.status_code,
                milliseconds=round((time.monotonic() - began) * 1000, 1),
            )
        response["X-Request-ID"] = request_id
        return response
