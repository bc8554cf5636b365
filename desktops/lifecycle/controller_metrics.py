"""Metrics of the controller. Only the controller's process imports this module, so that no other exposes them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Gauge, Histogram

_LEADER = Gauge("podesk_controller_leader", "1 in the controller that leads, else 0.")
_LAST_ROUND = Gauge(
    "podesk_controller_last_round_timestamp_seconds", "Unix time of the last full comparison, 0 before the first."
)
_ROUND_SECONDS = Histogram(
    "podesk_controller_round_seconds",
    "Seconds of a full comparison.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)


_UP = Gauge("podesk_dependency_up", "1 if it answered the controller's last call, else 0.", ["dependency"])


def set_leading(leads: bool) -> None:
    _LEADER.set(leads)
    if not leads:  # only the leader calls these, so an old value would stay
        for dependency in ("database", "runtime"):
            _UP.remove(dependency)


def set_up(dependency: str, up: bool) -> None:
    """Record whether redis, database or runtime answered."""
    _UP.labels(dependency).set(up)


@contextmanager
def full_round() -> Iterator[None]:
    """Measure a full comparison. One that fails is not recorded."""
    began = time.monotonic()
    yield
    _ROUND_SECONDS.observe(time.monotonic() - began)
    _LAST_ROUND.set(time.time())
