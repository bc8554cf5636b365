"""What Prometheus is given: the files are valid, say the same for every kind of site, and grant nothing else."""

import re
from typing import Any

import pytest
import yaml

from podesk_cli.folders import CHECKOUT
from tests.support import dashboards
from tests.support.alert_rules import RULES, alerts, amtool, promtool
from tests.support.metrics import documented
from tests.support.write_monitoring import DASHBOARDS, PROMETHEUS_RULE, prometheus_rule

pytestmark = pytest.mark.once

PARTS = CHECKOUT / "k8s/parts"


def read(path: str) -> Any:
    return yaml.safe_load((PARTS / path).read_text())


def every(path: str) -> dict[str, Any]:
    """Return the manifests of a file by kind and name."""
    found = yaml.safe_load_all((PARTS / path).read_text())
    return {f"{each['kind']} {each['metadata']['name']}": each for each in found}


def test_operator_gets_the_same_rules():
    assert PROMETHEUS_RULE.read_text() == prometheus_rule()
    assert read("monitoring/prometheus-rule.yaml")["spec"] == yaml.safe_load(RULES.read_text())


@pytest.mark.parametrize("name", dashboards.DASHBOARDS)
def test_dashboard_is_what_the_code_makes(name):
    assert (DASHBOARDS / f"podesk-{name}.json").read_text() == dashboards.as_json(name)


def test_grafana_finds_every_dashboard():
    found = read("monitoring/dashboards/kustomization.yaml")
    assert found["generatorOptions"]["labels"] == {"grafana_dashboard": "1"}
    files = [file for each in found["configMapGenerator"] for file in each["files"]]
    assert sorted(files) == sorted(file.name for file in DASHBOARDS.glob("*.json"))
    assert len(files) == len(dashboards.DASHBOARDS) == 5


@pytest.mark.parametrize("name", dashboards.DASHBOARDS)
def test_panels_ask_only_for_metrics_and_labels_that_exist(name):
    rows = documented() | documented(cluster=True)
    for panel in dashboards.DASHBOARDS[name]:
        for expression in panel.queries.values():
            names = [
                re.sub(r"_seconds_(bucket|count)$", "_seconds", each) for each in re.findall(r"podesk_\w+", expression)
            ]
            assert set(names) <= rows.keys(), panel.title
            known = {"le", "component", "resource"}.union(*(rows[each].labels for each in names))
            asked = [label for group in re.findall(r"by \((.*?)\)", expression) for label in group.split(", ")]
            assert set(asked) <= known, panel.title


def test_site_without_an_operator_gets_the_same_scrape_configuration_as_our_own_prometheus():
    assert read("monitoring/scrape.yaml")["scrape_configs"] == read("prometheus/prometheus.yml")["scrape_configs"]


def test_every_kind_of_site_names_the_job_as_the_alerts_do():
    assert [each["job_name"] for each in read("monitoring/scrape.yaml")["scrape_configs"]] == ["podesk"]
    monitor = read("monitoring/pod-monitor.yaml")["spec"]
    assert monitor["jobLabel"] == "app.kubernetes.io/part-of"
    for name in ("web", "proxy", "worker", "controller"):
        manifests = yaml.safe_load_all((CHECKOUT / f"k8s/base/{name}.yaml").read_text())
        (pod,) = [each["spec"]["template"] for each in manifests if each["kind"] == "Deployment"]
        assert monitor["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
        assert pod["metadata"]["labels"]["app.kubernetes.io/part-of"] == "podesk"
        (port,) = [each["port"] for each in monitor["podMetricsEndpoints"]]
        assert port in {each["name"] for each in pod["spec"]["containers"][0]["ports"]}


def test_prometheus_accepts_its_configuration(tmp_path):
    """Debian's Prometheus cannot discover pods, so the targets are replaced. Another test scrapes with the rest."""
    config = read("prometheus/prometheus.yml")
    assert config["rule_files"] == ["/etc/podesk/rules/podesk.rules.yaml"]
    config["rule_files"] = [str(RULES)]
    assert config["scrape_configs"][0].pop("kubernetes_sd_configs") == [
        {"role": "pod", "namespaces": {"names": ["vnc-system"]}}
    ]
    file = tmp_path / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    assert f"{len(alerts())} rules found" in promtool("check", "config", file)


def test_prometheus_finds_its_files():
    """The names in its command and its configuration are those at which the pod mounts them."""
    (container,) = every("prometheus/prometheus.yaml")["StatefulSet podesk-prometheus"]["spec"]["template"]["spec"][
        "containers"
    ]
    mounted = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    assert mounted == {"config": "/etc/prometheus", "rules": "/etc/podesk/rules", "data": "/prometheus"}
    assert container["args"][:2] == ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]
    (target,) = read("prometheus/prometheus.yml")["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"]
    assert target == "podesk-alertmanager:9093"


def test_alertmanager_accepts_its_configuration():
    assert "1 receivers" in amtool("check-config", PARTS / "prometheus/alertmanager.yml")


def test_only_alerts_that_exist_inhibit_others():
    rules = read("prometheus/alertmanager.yml")["inhibit_rules"]
    words = [
        word
        for rule in rules
        for matcher in (*rule["source_matchers"], *rule["target_matchers"])
        for word in matcher.split("~" if "~" in matcher else "=")[1].strip(' "').split("|")
    ]
    assert len(words) > 5
    assert set(words) <= set(alerts())


def test_prometheus_may_only_find_the_pods_of_the_portal():
    roles = [each for each in every("prometheus/rights.yaml").values() if each["kind"].endswith("Role")]
    ((role,), (rule,)) = (roles, roles[0]["rules"])
    assert (role["kind"], role["metadata"]["namespace"]) == ("Role", "vnc-system")
    assert rule == {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}


def test_pages_of_prometheus_and_alertmanager_are_open_to_labelled_namespaces_alone():
    policies = every("prometheus/network.yaml")
    assert policies["NetworkPolicy nothing-by-default"]["spec"]["podSelector"] == {}
    chosen = [{"namespaceSelector": {"matchLabels": {"podesk/metrics": "podesk"}}}]
    sources = [rule["from"] for each in policies.values() for rule in each["spec"].get("ingress", [])]
    assert sources == [chosen, chosen]
    for name in ("prometheus", "alertmanager"):
        service = every(f"prometheus/{name}.yaml")[f"Service podesk-{name}"]
        assert "type" not in service["spec"]  # ClusterIP
