"""The cluster as an operator sees it: kubectl, in one namespace."""

import base64
import json
import subprocess
from typing import Any

from tests.support import log_secrets


class Kube:
    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

    def run(self, *arguments: str, stdin: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """kubectl with those arguments. Fails the test, with what kubectl said, unless `check` is False."""
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
        """Begins to delete it with all that is in it; does not wait. What its Secrets hold must be in no pod's log."""
        for secret in self.list("secrets"):
            held = secret.get("data") or {}
            # The cluster's own, of service accounts, also holds the namespace's name, which is no secret.
            for value in (value for key, value in held.items() if key not in ("namespace", "ca.crt")):
                log_secrets.keep_out(base64.b64decode(value).decode(errors="replace"))
        for pod in self.list("pods"):
            name = pod["metadata"]["name"]
            log_secrets.hear(name, self.run("logs", name, "--all-containers", "--tail=-1", check=False).stdout)
        self.run("delete", "namespace", self.namespace, "--ignore-not-found", "--wait=false")
