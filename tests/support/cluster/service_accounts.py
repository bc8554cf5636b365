"""The portal's accounts in a cluster, so that tests have exactly the rights that k8s/ gives an installation."""

import json
import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from kubernetes import config
from kubernetes.client import Configuration
from kubernetes.client.rest import RESTClientObject

from desktops.runtimes.kubernetes.client import ApiClient, ApiRequest
from podesk_cli.folders import CHECKOUT
from tests.support.cluster.kubectl import Kube
from tests.support.running_podesk import wait_for

PROCESSES = {"worker": "rqworker", "controller": "run_controller", "web": "portal.server"}  # a word of each's command
_VERBS = {"POST": "create", "PATCH": "patch", "DELETE": "delete"}
_EXEC_API = "client.authentication.k8s.io/v1beta1"
_HOURS = 4


class Accounts:
    """The accounts and roles of k8s/base, in one namespace instead of two, and a token for each process."""

    def __init__(self, kube: Kube, exposure: str) -> None:
        kube.apply(*manifests(kube.namespace, exposure))
        config = json.loads(kube("config", "view", "--raw", "--minify", "--flatten", "-o", "json"))
        self.cluster: dict[str, str] = config["clusters"][0]["cluster"]
        self.tokens = {process: _token(kube, process) for process in PROCESSES}
        last = f"system:serviceaccount:{kube.namespace}:podesk-web"
        wait_for(lambda: kube.run("auth", "can-i", "get", "pods", f"--as={last}", check=False).returncode == 0)

    def api(self, process: str) -> "AccountApi":
        return AccountApi(_kubeconfig(self.cluster, {"token": self.tokens[process]}))

    def write_kubeconfig(self, folder: Path, server: str = "") -> Path:
        """Write one kubeconfig that gives each process of a portal its own token, and return its path.

        `server`: use this address instead of the API's.
        """
        folder.mkdir()
        for process, token in self.tokens.items():
            given = {"apiVersion": _EXEC_API, "kind": "ExecCredential", "status": {"token": token}}
            (folder / process).write_text(json.dumps(given))
        cases = " ".join(f"*{word}*) who={process};;" for process, word in PROCESSES.items())
        choose = f"case $(tr '\\0' ' ' </proc/$PPID/cmdline) in {cases} *) exit 1;; esac"
        command = f"{choose}; cat {shlex.quote(str(folder))}/$who"
        user = {"exec": {"apiVersion": _EXEC_API, "command": "/bin/sh", "args": ["-c", command]}}
        file = folder / "kubeconfig"
        file.write_text(json.dumps(_kubeconfig({"server": server} if server else self.cluster, user)))
        return file


class AccountApi(ApiClient):
    """The API with the rights of one account. It records the rights that the requests use."""

    def __init__(self, kubeconfig: dict[str, Any]) -> None:
        super().__init__()
        self.kubeconfig = kubeconfig
        self.used: set[tuple[str, str]] = set()  # (verb, resource), as `kubectl auth can-i --list` writes them

    def _connected(self) -> Any:
        with self._lock:
            if self._connection is None:
                configuration = Configuration()
                config.load_kube_config_from_dict(self.kubeconfig, client_configuration=configuration)
                self._connection = configuration, RESTClientObject(configuration).pool_manager
            return self._connection

    def _send(self, request: ApiRequest, *arguments: Any, **options: Any) -> Any:
        self.used.add(right(request))
        return super()._send(request, *arguments, **options)


@cache
def accounts_in(namespace: str, exposure: str = "proxy") -> Accounts:
    """Return the accounts in this namespace, made once. In one namespace, rights of several exposures add up."""
    return Accounts(Kube(namespace), exposure)


def manifests(namespace: str, exposure: str = "proxy") -> list[dict[str, Any]]:
    """Return the manifests of k8s/base and of the exposure's part, with this namespace instead of their two."""
    part = CHECKOUT / f"k8s/parts/exposure-{exposure}/rights.yaml"
    files = [*filter(Path.exists, [part]), *(CHECKOUT / "k8s/base" / name for name in ("accounts.yaml", "rights.yaml"))]
    found = [each for file in files for each in yaml.safe_load_all(file.read_text())]
    assert {each["kind"] for each in found} == {"ServiceAccount", "Role", "RoleBinding"}
    moved: list[dict[str, Any]] = json.loads(re.sub(r"vnc-(system|pods)", namespace, json.dumps(found)))
    return moved


def right(request: ApiRequest) -> tuple[str, str]:
    """Return the right that a request needs, as (verb, resource)."""
    place, _, thing = request.path.partition("/namespaces/")
    group = place.split("/")[2] if place.startswith("/apis/") else ""
    _, kind, *more = thing.split("/")
    reading = "get" if more else "watch" if "watch" in request.query else "list"
    resource = "/".join((kind, *more[1:]))
    return _VERBS.get(request.method, reading), f"{resource}.{group}" if group else resource


def _token(kube: Kube, process: str) -> str:
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
    asked |= {"spec": {"expirationSeconds": _HOURS * 3600}}
    path = f"/api/v1/namespaces/{kube.namespace}/serviceaccounts/podesk-{process}/token"
    given = kube.run("create", "--raw", path, "-f", "-", stdin=json.dumps(asked)).stdout
    return str(json.loads(given)["status"]["token"])


def _kubeconfig(cluster: dict[str, str], user: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": user}],
    }
