"""Metrics of the calls to a cluster's API, and of its watches."""

from prometheus_client import Counter, Histogram

_CALLS = Counter("podesk_cluster_calls", "HTTP calls to the cluster's API.", ["verb", "kind", "code"])
_CALL_SECONDS = Histogram(
    "podesk_cluster_call_seconds",
    "Seconds until the cluster's API answered.",
    ["verb", "kind"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 10),
)
_WATCH_RESTARTS = Counter("podesk_watch_restarts", "Watches that broke and began again with a list.", ["kind"])


def count_call(verb: str, kind: str, code: str, seconds: float) -> None:
    """Count one call. `code`: the HTTP status, or "none" if there was no answer."""
    _CALLS.labels(verb, kind, code).inc()
    _CALL_SECONDS.labels(verb, kind).observe(seconds)


def count_watch_restart(kind: str) -> None:
    _WATCH_RESTARTS.labels(kind).inc()
