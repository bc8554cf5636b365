"""Metrics of what all parts share: the build, HTTP requests, and refusals of rate limits.

No label of any metric names a person, a desktop or a pod: each series costs memory for as long as the process lives.
"""

import platform

from django.http import HttpRequest
from prometheus_client import Counter, Histogram, Info

from core.version import VERSION

# Seconds. Few, because each bucket is one more series for each route, and a scrape costs about 10 us for each series.
REQUEST_BUCKETS = (0.05, 0.25, 1, 5)
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))

_BUILD = Info("podesk_build", "Version of Podesk and of Python.")
_BUILD.info({"version": VERSION, "python": platform.python_version()})
_REQUESTS = Counter("podesk_http_requests", "HTTP requests by route.", ["route", "method", "code"])
_REQUEST_SECONDS = Histogram(
    "podesk_http_request_seconds", "Seconds until the response begins.", ["route"], buckets=REQUEST_BUCKETS
)
_REFUSALS = Counter("podesk_rate_limit_refusals", "Requests beyond a limit.", ["limit"])


def count_request(request: HttpRequest, code: int, seconds: float) -> None:
    """Count one HTTP request by the name of its route, since paths contain ids."""
    route, method = _route(request), request.method if request.method in _METHODS else "other"
    _REQUESTS.labels(route, method, code).inc()
    _REQUEST_SECONDS.labels(route).observe(seconds)


def count_refusal(limit: str) -> None:
    """Count a request that was refused. `limit` is a key of settings.API_RATES or settings.API_OPEN."""
    _REFUSALS.labels(limit).inc()


def _route(request: HttpRequest) -> str:
    """Return the name of the route; "none" for static files and unknown paths; one name for all of the admin."""
    match = request.resolver_match
    if match is None:
        return "none"
    return "admin" if match.app_name == "admin" else match.view_name
