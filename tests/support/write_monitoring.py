"""Write the PrometheusRule and the dashboards. Run `.venv/bin/python -m tests.support.write_monitoring`."""

import yaml

from podesk_cli.folders import CHECKOUT
from tests.support import dashboards
from tests.support.alert_rules import RULES

PROMETHEUS_RULE = CHECKOUT / "k8s/parts/monitoring/prometheus-rule.yaml"
DASHBOARDS = CHECKOUT / "k8s/parts/monitoring/dashboards"
_HEAD = "# Made from rules/podesk.rules.yaml by `.venv/bin/python -m tests.support.write_monitoring`.\n"


def prometheus_rule() -> str:
    """Return the rules as an object of the Prometheus operator."""
    labels = {"app.kubernetes.io/name": "podesk", "app.kubernetes.io/part-of": "podesk"}
    made = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "podesk", "namespace": "vnc-system", "labels": labels},
        "spec": yaml.safe_load(RULES.read_text()),
    }
    return _HEAD + yaml.safe_dump(made, sort_keys=False, width=110)


if __name__ == "__main__":
    PROMETHEUS_RULE.write_text(prometheus_rule())
    for name in dashboards.DASHBOARDS:
        (DASHBOARDS / f"podesk-{name}.json").write_text(dashboards.as_json(name))
