"""Read the metrics of processes as Prometheus does, and the table of docs/metrics.md."""

import re
from dataclasses import dataclass

import httpx
from prometheus_client import REGISTRY, Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from podesk_cli.folders import CHECKOUT

ACCEPT = {"Accept": "application/openmetrics-text; version=1.0.0"}
OWN = ("le",)  # labels that the exposition format adds


@dataclass(frozen=True)
class Row:
    """One row of docs/metrics.md."""

    kind: str
    labels: frozenset[str]


def scrape(port: int) -> list[Metric]:
    """Return the metrics that a process serves, parsed strictly."""
    return parse(text(port))


def text(port: int) -> str:
    answer = httpx.get(f"http://127.0.0.1:{port}/metrics", headers=ACCEPT)
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    return answer.text


def parse(exposed: str) -> list[Metric]:
    return list(text_string_to_metric_families(exposed))


def ours(found: list[Metric]) -> dict[str, Metric]:
    """Return Podesk's own metrics by the name that a query uses: without a suffix except that of counters."""
    suffix = {"counter": "_total", "info": "_info"}
    return {each.name + suffix.get(each.type, ""): each for each in found if each.name.startswith("podesk_")}


def labels_of(metric: Metric) -> set[frozenset[str]]:
    """Return the sets of label names of its samples."""
    return {frozenset(each.labels) - set(OWN) for each in metric.samples}


def documented(*, cluster: bool = False) -> dict[str, Row]:
    """Return the metrics that any installation has, or those that only one with a cluster has."""
    anywhere, _, with_cluster = (CHECKOUT / "docs/metrics.md").read_text().partition("\n### With a cluster\n")
    page = with_cluster if cluster else anywhere
    rows = re.findall(r"^\| `(podesk_\w+)` \| (\w+) \| ([^|]*) \|", page, re.MULTILINE)
    return {name: Row(kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def value(name: str, **labels: str) -> float:
    """Return a value of this process, 0 if it has none yet."""
    return REGISTRY.get_sample_value(name, labels) or 0.0
