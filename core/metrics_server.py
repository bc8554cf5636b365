"""Serve the metrics of this process as OpenMetrics, on a port of their own that no public address leads to."""

import structlog
from django.conf import settings
from prometheus_client import disable_created_metrics, start_http_server

from core import database_metrics  # noqa: F401 - registers what it collects

log = structlog.get_logger("podesk.metrics")
disable_created_metrics()  # type: ignore[no-untyped-call]  # one more series for each counter, which no rule or dashboard reads


def start() -> None:
    """Serve in a thread if METRICS_PORT is set. A port that is taken is logged, since the process works without."""
    if not settings.METRICS_PORT:
        return
    try:
        start_http_server(settings.METRICS_PORT, settings.METRICS_ADDRESS)
    except OSError as error:
        log.error("metrics_not_served", port=settings.METRICS_PORT, error=str(error))
