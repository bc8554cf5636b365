"""Run kubectl in one namespace, as an administrator of the cluster."""

import base64
import json
import subprocess
from typing import Any

from tests.support import log_secrets


class Kube:
    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

    def run(self, *arguments: str, stdin: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run kubectl with these arguments. If it fails, fail the test with its output, unless `check` is False."""
        done = subprocess.run(
            ["kubectl", "--namespace", self.namespace, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 0 or not check, f"kubectl {' '.join(arguments)}\n{done.stdout}{done.stderr}"
        return done

    def __call__(self, *arguments: str) -> str:
        return self.run(*arguments).stdout

    def apply(self, *manifests: dict[str, Any]) -> None:
        items = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        self.run("apply", "-f", "-", stdin=json.dumps(items))

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        answer = self("get", kind, name, "--ignore-not-found", "-o", "json")
        return json.loads(answer) if answer else None

    def list(self, kinds: str, selector: str = "") -> list[dict[str, Any]]:
        chosen = ["--selector", selector] if selector else []
        return json.loads(self("get", kinds, *chosen, "-o", "json"))["items"]

    def exec(self, pod: str, *command: str, check: bool = True) -> str:
        return self.run("exec", pod, "--", *command, check=check).stdout

    def make_namespace(self, **labels: str) -> None:
        metadata = {"name": self.namespace, "labels": labels}
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})

    def forget_namespace(self) -> None:
        """Begin to delete the namespace, without waiting. The values of its Secrets must not be in any pod's log."""
        for secret in self.list("secrets"):
            held = secret.get("data") or {}
            # Secrets of service accounts also contain the name of the namespace, which is no secret.
            for value in (value for key, value in held.items() if key not in ("namespace", "ca.crt")):
                log_secrets.keep_out(base64.b64decode(value).decode(errors="replace"))
        for pod in self.list("pods"):
            name = pod["metadata"]["name"]
            log_secrets.hear(name, self.run("logs", name, "--all-containers", "--tail=-1", check=False).stdout)
        self.run("delete", "namespace", self.namespace, "--ignore-not-found", "--wait=false")
