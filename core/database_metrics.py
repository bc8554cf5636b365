"""Metrics of the pool of database connections, read when they are asked for. SQLite has no pool."""

from collections.abc import Iterator

from django.db import connection
from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector


class DatabasePoolCollector(Collector):
    def describe(self) -> list[GaugeMetricFamily]:
        """Return no names, because registration would otherwise call collect() before Django has its settings."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        connections = GaugeMetricFamily(
            "podesk_database_pool_connections", "Database connections of this process.", labels=["state"]
        )
        limit = GaugeMetricFamily("podesk_database_pool_limit", "The most connections of this process.", labels=[])
        waiting = GaugeMetricFamily("podesk_database_pool_waiting", "Requests that wait for a connection.", labels=[])
        if pool := getattr(connection, "pool", None):
            found = pool.get_stats()
            connections.add_metric(["idle"], found["pool_available"])
            connections.add_metric(["in_use"], found["pool_size"] - found["pool_available"])
            limit.add_metric([], found["pool_max"])
            waiting.add_metric([], found["requests_waiting"])
        yield from (connections, limit, waiting)


REGISTRY.register(DatabasePoolCollector())
