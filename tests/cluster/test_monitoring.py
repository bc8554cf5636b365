"""The part `prometheus` in the cluster, with stand-ins for its images: it finds the portal, and its alerts arrive."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from podesk_cli.folders import CHECKOUT
from tests.cluster.conftest import cluster_tool
from tests.support.alert_rules import RULES, alerts
from tests.support.cluster.deployed_podesk import reaches
from tests.support.cluster.kubectl import Kube
from tests.support.prometheus import quick_rules
from tests.support.running_podesk import wait_for

pytestmark = pytest.mark.cluster

PART = CHECKOUT / "k8s/parts/prometheus"
METRICS = 9400
# By component: the pods that the overlay `dev` runs.
PODS = {"web": 2, "proxy": 2, "worker": 1, "controller": 1}


class Monitoring(Kube):
    def __init__(self) -> None:
        super().__init__("vnc-monitoring")

    def ask(self, server: str, path: str) -> Any:
        """Return an answer of the API of `prometheus:9090` or `alertmanager:9093`."""
        name, port = server.split(":")
        return json.loads(self("get", "--raw", f"{self._pods}/podesk-{name}-0:{port}/proxy/api/{path}"))

    @property
    def _pods(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods"

    def targets(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("prometheus:9090", "v1/targets")["data"]["activeTargets"]
        return found

    def up(self) -> dict[str, int]:
        """Return by component how many targets answer."""
        names = [each["labels"]["component"] for each in self.targets() if each["health"] == "up"]
        return {name: names.count(name) for name in names}

    def alerts(self) -> set[str]:
        """Return the names of the alerts that Alertmanager has received."""
        return {each["labels"]["alertname"] for each in self.ask("alertmanager:9093", "v2/alerts")}


@pytest.fixture(scope="module")
def prometheus_images(images) -> None:
    """Load stand-ins for both images under the names in the part."""
    for name in ("prometheus", "alertmanager"):
        (pod,) = [
            each for each in yaml.safe_load_all((PART / f"{name}.yaml").read_text()) if each["kind"] == "StatefulSet"
        ]
        (container,) = pod["spec"]["template"]["spec"]["containers"]
        cluster_tool("image", container["image"], "--target", name, "tests/cluster/prometheus")


@pytest.fixture(scope="module")
def monitoring(deployed, prometheus_images, tmp_path_factory) -> Iterator[Monitoring]:
    """Deploy the part, with seconds instead of minutes until it reads, fires and sends."""
    made = Monitoring()
    assert not made.get("namespace", made.namespace), f"{made.namespace} exists, and this test would remove it."
    try:
        Kube("").run("apply", "-k", str(quick(tmp_path_factory.mktemp("site"))))  # it names its namespaces
        for name in ("prometheus", "alertmanager"):
            made("rollout", "status", f"statefulset/podesk-{name}", "--timeout=170s")
        yield made
    finally:
        made.forget_namespace()
        made.run("wait", "--for=delete", f"namespace/{made.namespace}", "--timeout=170s", check=False)


def quick(folder: Path) -> Path:
    """Write an overlay with other files for Prometheus and Alertmanager, as docs/monitoring.md says."""
    (folder / RULES.name).write_text(yaml.safe_dump(quick_rules()))
    (folder / "prometheus.yml").write_text((PART / "prometheus.yml").read_text().replace("15s", "1s"))
    (folder / "alertmanager.yml").write_text((PART / "alertmanager.yml").read_text().replace("30s", "1s"))
    files = {
        "podesk-rules": RULES.name,
        "podesk-prometheus": "prometheus.yml",
        "podesk-alertmanager": "alertmanager.yml",
    }
    overlay = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(PART, folder.resolve())],
        "configMapGenerator": [
            {"name": name, "namespace": "vnc-monitoring", "behavior": "merge", "files": [file]}
            for name, file in files.items()
        ],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    return folder


def test_all_processes_are_found_and_answer_and_the_rules_work(monitoring):
    wait_for(lambda: monitoring.up() == PODS, 120)
    assert len(monitoring.targets()) == sum(PODS.values())  # no port or pod besides
    groups = monitoring.ask("prometheus:9090", "v1/rules")["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert {rule["name"] for rule in rules} == set(alerts())
    assert {rule["health"] for rule in rules} == {"ok"}


def test_only_prometheus_reaches_the_metrics(monitoring, deployed):
    wait_for(lambda: monitoring.up() == PODS, 120)
    web = next(each["labels"] for each in monitoring.targets() if each["labels"]["component"] == "web")
    host = web["instance"].partition(":")[0]
    assert reaches(monitoring, "podesk-prometheus-0", host, METRICS)
    assert not reaches(monitoring, "podesk-alertmanager-0", host, METRICS)  # its own policy does not let it
    for name in ("worker", "entry"):
        pod = deployed.system.list("pods", f"app.kubernetes.io/component={name}")[0]["metadata"]["name"]
        assert not reaches(deployed.system, pod, host, METRICS)


def test_the_alert_of_a_missing_controller_arrives_and_ends(monitoring, deployed):
    wait_for(lambda: monitoring.up() == PODS, 120)
    wait_for(lambda: "PodeskNoController" not in monitoring.alerts(), 60)
    try:
        deployed.system("scale", "deployment/podesk-controller", "--replicas=0")
        wait_for(lambda: "PodeskNoController" in monitoring.alerts(), 120)
    finally:
        deployed.system("scale", "deployment/podesk-controller", "--replicas=1")
        deployed.rolled_out("controller")
    wait_for(lambda: "PodeskNoController" not in monitoring.alerts(), 120)
