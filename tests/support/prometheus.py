"""Run Debian's Prometheus and Alertmanager with the project's own files, sped up, and receive what they send."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import yaml

from podesk_cli.folders import CHECKOUT
from tests.support.alert_rules import RULES
from tests.support.running_podesk import free_port, wait_for

QUICK = "1s"


class WebhookReceiver(BaseHTTPRequestHandler):
    """Keeps the alerts that Alertmanager sends, in the list `alerts` of its server."""

    def do_POST(self) -> None:
        size = int(self.headers["Content-Length"])
        self.server.alerts += json.loads(self.rfile.read(size))["alerts"]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


class PrometheusServer:
    def __init__(self, url: str, received: list[dict[str, Any]]) -> None:
        self.url, self.received = url, received  # received: by the webhook, through Alertmanager

    def get(self, path: str, **parameters: str) -> Any:
        """Return the data of an answer of its API. Fail if it refuses."""
        answer = httpx.get(f"{self.url}/api/v1/{path}", params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        return self.get("query", query=expression)["result"]

    def value(self, expression: str) -> float | None:
        """Return the value of the only series, or None if there is none."""
        found = self.query(expression)
        return float(found[0]["value"][1]) if found else None

    def firing(self) -> set[str]:
        return {each["labels"]["alertname"] for each in self.get("alerts")["alerts"] if each["state"] == "firing"}


@contextmanager
def watching(folder: Path, scrape: list[dict[str, Any]]) -> Iterator[PrometheusServer]:
    """Run Prometheus with this scrape configuration and all alert rules, and Alertmanager with a webhook."""
    with ExitStack() as stack:
        receiver = ThreadingHTTPServer(("127.0.0.1", 0), WebhookReceiver)
        receiver.alerts = []
        Thread(target=receiver.serve_forever, daemon=True).start()
        stack.callback(receiver.shutdown)
        manager, server = (f"127.0.0.1:{free_port()}" for _ in range(2))
        _write(folder / "alertmanager.yml", alertmanager_config(f"http://127.0.0.1:{receiver.server_port}/"))
        _write(folder / "rules.yml", quick_rules())
        _write(folder / "prometheus.yml", prometheus_config(scrape, folder / "rules.yml", manager))
        for name, address in (("prometheus-alertmanager", manager), ("prometheus", server)):
            stack.enter_context(_started(name, address, folder))
        yield PrometheusServer(f"http://{server}", receiver.alerts)


def quick_rules() -> dict[str, Any]:
    """Return the rules, with a second instead of minutes until they fire."""
    rules = yaml.safe_load(RULES.read_text())
    for rule in (rule for group in rules["groups"] for rule in group["rules"]):
        rule["for"] = QUICK
    return rules


def alertmanager_config(url: str) -> dict[str, Any]:
    """Return the configuration of k8s/parts/prometheus, with a webhook and without pauses."""
    config = yaml.safe_load((CHECKOUT / "k8s/parts/prometheus/alertmanager.yml").read_text())
    config["route"] |= {"group_wait": "0s", "group_interval": QUICK}
    config["receivers"][0]["webhook_configs"] = [{"url": url}]
    return config


def prometheus_config(scrape: list[dict[str, Any]], rules: Path, manager: str) -> dict[str, Any]:
    quick = {"scrape_interval": QUICK, "scrape_timeout": QUICK}
    return {
        "global": quick | {"evaluation_interval": QUICK},
        "rule_files": [str(rules)],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [manager]}]}]},
        "scrape_configs": [each | quick for each in scrape],
    }


def _write(file: Path, content: dict[str, Any]) -> None:
    file.write_text(yaml.safe_dump(content))


@contextmanager
def _started(name: str, address: str, folder: Path) -> Iterator[None]:
    """Run one of the two until the block ends."""
    plain = name.removeprefix("prometheus-")
    own = ["--cluster.listen-address="] if plain == "alertmanager" else []
    storage = "--storage.path" if own else "--storage.tsdb.path"
    options = [f"--config.file={folder / plain}.yml", f"--web.listen-address={address}", f"{storage}={folder / name}"]
    with (folder / f"{name}.log").open("w") as log:
        process = subprocess.Popen([name, *options, *own], stdout=log, stderr=log, cwd=folder)
    try:
        wait_for(lambda: process.poll() is not None or _is_ready(address))
        assert process.poll() is None, (folder / f"{name}.log").read_text()
        yield
    finally:
        process.terminate()
        process.wait(20)


def _is_ready(address: str) -> bool:
    try:
        return httpx.get(f"http://{address}/-/ready").status_code == 200
    except httpx.TransportError:
        return False
