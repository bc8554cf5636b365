"""Run Debian's Prometheus, which is built without the discovery of pods, and discover them for it.

Each `kubernetes_sd_configs` is replaced by a file of targets, which this program writes once a second. Like the real
discovery it uses the account of the pod, and makes a target of each port of each container.
"""

import json
import os
import re
import ssl
import sys
import time
import urllib.request
from pathlib import Path

import yaml

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
OWN = Path("/prometheus/discovery")  # the only volume that the pod may write
PREFIX = "__meta_kubernetes_"


def main():
    OWN.mkdir(exist_ok=True)
    (option,) = (each for each in sys.argv if each.startswith("--config.file="))
    config = yaml.safe_load(Path(option.partition("=")[2]).read_text())
    wanted = {OWN / f"{number}.json": replaced(number, job) for number, job in enumerate(config["scrape_configs"])}
    (OWN / "prometheus.yml").write_text(yaml.safe_dump(config))
    if os.fork() == 0:
        discover(wanted)
    others = [each for each in sys.argv[1:] if each != option]
    os.execvp("prometheus", ["prometheus", f"--config.file={OWN}/prometheus.yml", *others])


def replaced(number, job):
    """Let a job read its targets from a file. Returns the namespaces of its pods."""
    (asked,) = job.pop("kubernetes_sd_configs")
    assert asked["role"] == "pod"
    job["file_sd_configs"] = [{"files": [str(OWN / f"{number}.json")]}]
    return asked["namespaces"]["names"]


def discover(wanted):
    while True:
        for file, namespaces in wanted.items():
            try:
                found = [target for name in namespaces for pod in pods(name) for target in targets(pod)]
            except OSError as error:
                print("discovery:", error, file=sys.stderr, flush=True)
                continue
            new = file.with_suffix(".new")
            new.write_text(json.dumps(found))
            new.rename(file)
        time.sleep(1)


def pods(namespace):
    server = f"https://{os.environ['KUBERNETES_SERVICE_HOST']}:{os.environ['KUBERNETES_SERVICE_PORT']}"
    headers = {"Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}"}
    request = urllib.request.Request(f"{server}/api/v1/namespaces/{namespace}/pods", headers=headers)
    trust = ssl.create_default_context(cafile=ACCOUNT / "ca.crt")
    with urllib.request.urlopen(request, timeout=5, context=trust) as answer:
        return json.load(answer)["items"]


def targets(pod):
    if not (address := pod["status"].get("podIP")):
        return
    labels = {re.sub(r"\W", "_", f"label_{name}"): value for name, value in pod["metadata"].get("labels", {}).items()}
    facts = {**labels, "name": pod["metadata"]["name"], "phase": pod["status"]["phase"]}
    for container in pod["spec"]["containers"]:
        for port in container.get("ports", []):
            meta = {**facts, "container_name": container["name"], "container_port_name": port.get("name", "")}
            yield {
                "targets": [f"{address}:{port['containerPort']}"],
                "labels": {f"{PREFIX}pod_{name}": value for name, value in meta.items()},
            }


if __name__ == "__main__":
    main()
