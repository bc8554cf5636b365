"""Debian's Prometheus and Alertmanager watch a real portal: each query answers, and alerts are sent."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from podesk_cli.folders import CHECKOUT
from tests.support import dashboards
from tests.support.alert_rules import alerts
from tests.support.page_client import Visitor
from tests.support.prometheus import PrometheusServer, watching
from tests.support.running_podesk import Portal, free_port, running, wait_for

pytestmark = pytest.mark.once

FIRST = 9400  # the port of the page


def scrape_of_the_page(port: int) -> list[dict[str, Any]]:
    """Return the scrape configuration for one machine of docs/monitoring.md, with other ports."""
    page = (CHECKOUT / "docs/monitoring.md").read_text()
    block = page.split("## On one machine")[1].split("```yaml\n")[1].split("```")[0]
    moved = re.sub(r"127\.0\.0\.1:(\d+)", lambda found: f"127.0.0.1:{port + int(found[1]) - FIRST}", block)
    return yaml.safe_load(moved)["scrape_configs"]


def scrape_of_a_cluster(port: int) -> list[dict[str, Any]]:
    """Return scrape.yaml with targets as the discovery of pods has them: two ports of the portal, and one of Redis.

    Debian's Prometheus is built without that discovery.
    """
    (config,) = yaml.safe_load((CHECKOUT / "k8s/parts/monitoring/scrape.yaml").read_text())["scrape_configs"]
    del config["kubernetes_sd_configs"]
    found = [("worker", port + 1, "metrics"), ("web", port, "http"), ("redis", port, "redis")]
    pods = [pod_target(*each) for each in found]
    ended = pod_target("migrate", port, "metrics")
    ended["labels"]["__meta_kubernetes_pod_phase"] = "Succeeded"
    return [config | {"job_name": "cluster", "static_configs": [*pods, ended]}]


def pod_target(component: str, port: int, port_name: str) -> dict[str, Any]:
    meta = {
        "label_app_kubernetes_io_name": "podesk",
        "label_app_kubernetes_io_component": component,
        "container_port_name": port_name,
        "name": f"podesk-{component}-1",
        "phase": "Running",
    }
    labels = {f"__meta_kubernetes_pod_{name}": value for name, value in meta.items()}
    return {"targets": [f"127.0.0.1:{port}"], "labels": labels}


@pytest.fixture(scope="module")
def portal_and_prometheus() -> Iterator[tuple[Portal, PrometheusServer]]:
    with tempfile.TemporaryDirectory(prefix="podesk-prometheus-", ignore_cleanup_errors=True) as made:
        folder = Path(made)
        folder.chmod(0o755)
        port = min(free_port(), 65533)  # the kernel gives random ones, so the next two are usually free
        scrape = scrape_of_the_page(port) + scrape_of_a_cluster(port)
        with running(folder / "data", METRICS_PORT=str(port)) as portal, watching(folder, scrape) as prometheus:
            wait_for(lambda: prometheus.value("sum(podesk_workers)") == 1)
            yield portal, prometheus


@pytest.fixture
def portal(portal_and_prometheus) -> Portal:
    return portal_and_prometheus[0]


@pytest.fixture
def prometheus(portal_and_prometheus) -> PrometheusServer:
    return portal_and_prometheus[1]


def test_all_processes_answer(prometheus):
    wait_for(lambda: components(prometheus, "podesk") == {"web", "worker", "controller"})


def components(prometheus: PrometheusServer, job: str) -> set[str]:
    """Return the components that answer the scrapes of a job."""
    return {each["metric"]["component"] for each in prometheus.query(f'up{{job="{job}"}} == 1')}


def test_of_the_pods_only_those_with_metrics_are_scraped(prometheus):
    wait_for(lambda: components(prometheus, "cluster"))
    (found,) = prometheus.query('up{job="cluster"}')
    assert (found["metric"]["component"], found["metric"]["pod"]) == ("worker", "podesk-worker-1")
    assert len(prometheus.get("targets", state="dropped")["droppedTargets"]) == 3


def test_what_a_person_does_is_seen(portal, prometheus):
    visitor = Visitor(portal.url)
    visitor.http.get("/accounts/login/")
    visitor.post("/accounts/login/", username="admin", password="wrong")
    visitor.sign_in("admin", portal.password)
    visitor.launch()
    wait_for(lambda: prometheus.value('sum(podesk_launches_total{result="ready"})') == 1)
    assert prometheus.value("sum(podesk_failed_logins_total)") == 1
    wait_for(lambda: prometheus.value('sum(podesk_desktops{status="running"})') == 1)


@pytest.mark.parametrize("name", alerts())
def test_query_of_an_alert_answers(name, prometheus):
    assert isinstance(prometheus.query(alerts()[name]["expr"]), list)


PANELS = [(name, panel) for name, panels in dashboards.DASHBOARDS.items() for panel in panels]


@pytest.mark.parametrize(("name", "panel"), PANELS, ids=[f"{name}: {panel.title}" for name, panel in PANELS])
def test_query_of_a_panel_answers(name, panel, prometheus):
    for expression in panel.queries.values():
        assert isinstance(prometheus.query(expression.replace("$__rate_interval", "1m")), list)


def test_panels_show_what_has_happened(prometheus):
    """After a launch, these have values. The others need a cluster, a failure, or PostgreSQL."""
    values = {panel.title for _, panel in PANELS if all(_answers(prometheus, each) for each in panel.queries.values())}
    assert values >= {
        "Running desktops",
        "Version",
        "Launches",
        "Seconds of jobs",
        "Requests",
        "Failed logins",
        "Home folders",
    }


def _answers(prometheus: PrometheusServer, expression: str) -> bool:
    return bool(prometheus.query(expression.replace("$__rate_interval", "1m")))


def test_prometheus_evaluates_every_rule_without_a_fault(prometheus):
    rules = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    assert [(rule["name"], rule["health"], rule.get("lastError", "")) for rule in rules] == [
        (name, "ok", "") for name in alerts()
    ]


def test_a_healthy_portal_fires_nothing(prometheus):
    wait_for(lambda: not prometheus.firing())


def test_a_killed_controller_reaches_the_webhook_and_its_return_too(portal, prometheus):
    wait_for(lambda: not prometheus.firing())
    portal.kill("run_controller")
    wait_for(lambda: _received(prometheus, "firing"))
    (alert, *_) = _received(prometheus, "firing")
    assert alert["labels"]["severity"] == "critical"
    assert alert["annotations"]["summary"] == "No controller leads"
    wait_for(lambda: _received(prometheus, "resolved"))  # ./podesk run has started another one


def _received(prometheus: PrometheusServer, status: str) -> list[dict[str, Any]]:
    wanted = ("PodeskNoController", status)
    return [each for each in prometheus.received if (each["labels"]["alertname"], each["status"]) == wanted]
