"""A Kubernetes runtime in its own namespace of a real cluster, with the rights of the portal's accounts."""

import secrets
from decimal import Decimal
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from desktops.runtimes.base import DesktopSpec
from desktops.runtimes.kubernetes.cluster_settings import Cluster, IngressSettings
from desktops.runtimes.kubernetes.kubernetes_runtime import KubernetesRuntime
from desktops.tests.support.runtime_specs import RuntimeHarness, until
from tests.support.cluster.kubectl import Kube
from tests.support.cluster.service_accounts import Accounts, accounts_in

HOST_KEY = (
    Ed25519PrivateKey.generate()
    .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
    .decode()
)
PRIVATE_NETWORKS = ("10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16")
CPU_REQUEST_PERCENT = 5  # so that the desktops of all tests fit on a node of two cores
NODE_LOCAL = ("169.254.20.10/32", "169.254.25.10/32")


def a_cluster(namespace: str, installation: str = "test", **changes: Any) -> Cluster:
    ingress = IngressSettings(
        host="desktops.example.org",
        class_name="nginx",
        tls_secret="",
        namespace="ingress-nginx",
        auth_url="http://podesk-web.vnc-system.svc.cluster.local",
        public_url="https://podesk.example.org",
    )
    usual: dict[str, Any] = {
        "installation": installation, "namespace": namespace, "storage_class": "", "access_mode": "ReadWriteOnce",
        "pull_policy": "IfNotPresent", "pull_secret": "", "egress_except": PRIVATE_NETWORKS, "name_servers": NODE_LOCAL,
        "exposure": "proxy", "node_address": "", "ingress": ingress,
    }  # fmt: skip
    return Cluster(**(usual | changes))


class SharedRuntime:
    """Calls each method of the runtime with the account of the process that calls it in the portal."""

    steps = KubernetesRuntime.steps

    def __init__(self, cluster: Cluster, accounts: Accounts) -> None:
        apis = [accounts.api(process) for process in ("worker", "controller", "web")]
        worker, controller, web = (KubernetesRuntime(cluster, api) for api in apis)
        self.cluster, self.apis, self.worker = cluster, apis, worker
        self.warm_up, self.start, self.stop = worker.warm_up, worker.start, worker.stop
        self.home_usage = worker.home_usage
        self.renew_keys, self.delete_volume = worker.renew_keys, worker.delete_volume
        self.observe, self.list, self.volumes = controller.observe, controller.list, controller.volumes
        self.watch, self.close, self.quota_use = controller.watch, controller.close, controller.quota_use
        self.usage_of_all, self.capacity = controller.usage_of_all, controller.capacity
        self.logs, self.usage, self.unlimited = web.logs, web.usage, web.unlimited


class KubeHarness(RuntimeHarness):
    every = 0.2
    patience = 180  # a node of two cores has many pods to start at the same time

    def __init__(self, kube: Kube, image: str, **changes: Any) -> None:
        self.kube, self.image = kube, image
        self.installation = f"test-{secrets.token_hex(4)}"
        self.accounts = accounts_in(kube.namespace, changes.get("exposure", "proxy"))
        shared = {"cpu_request_percent": CPU_REQUEST_PERCENT} | changes
        self.runtime = SharedRuntime(a_cluster(kube.namespace, self.installation, **shared), self.accounts)

    def spec(self, **changes: Any) -> DesktopSpec:
        small: dict[str, Any] = {"image": self.image, "cpu": Decimal(1), "storage_gib": 1, "host_key": HOST_KEY}
        return super().spec(**(small | changes))

    def other(self) -> SharedRuntime:
        """Return a runtime of another installation in the same namespace."""
        return SharedRuntime(a_cluster(self.kube.namespace, "another"), self.accounts)

    def has_home(self, spec: DesktopSpec) -> bool:
        return self.kube.get("pvc", spec.volume) is not None

    def lose_home(self, spec: DesktopSpec) -> None:
        self.kube("delete", "pvc", spec.volume)

    def shell(self, spec: DesktopSpec, command: str) -> str:
        """Run a command in the home folder of a running desktop, and return its output."""
        return self.kube.exec(spec.name, "sh", "-c", f"cd /home/void/workspace; {command}", check=False)

    def log_out(self, name: str) -> None:
        """Log out of the session, as the entry "Log Out" of the menu does."""
        until(
            lambda: self.kube.run("exec", name, "--", "/opt/podesk/log-out", check=False).returncode == 0, what="exec"
        )

    def objects(self) -> set[str]:
        """Return all objects of this installation, as kind/name."""
        kinds = "pod,configmap,secret,service,networkpolicy,ingress,pvc"
        found = self.kube.list(kinds, f"podesk/installation={self.installation}")
        return {f"{each['kind']}/{each['metadata']['name']}" for each in found}

    def close(self) -> None:
        """Begin to delete everything that the test left."""
        self.runtime.close()
        chosen = ("--selector", f"podesk/installation={self.installation}", "--wait=false")
        self.kube.run("delete", "pod", *chosen, "--grace-period=1")
        self.kube.run("delete", "configmap,secret,service,networkpolicy,ingress,pvc", *chosen)
