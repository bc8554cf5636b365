"""Measure the baseline: the same objects by `kubectl apply`, polled until the RFB banner arrives."""

import json
import socket
import time
from decimal import Decimal
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench.cluster.pod_watcher import Times
from desktops.runtimes.base import DesktopSpec
from desktops.runtimes.kubernetes import manifests, network_manifests
from desktops.runtimes.kubernetes.cluster_settings import Cluster, IngressSettings
from desktops.runtimes.names import desktop_name, volume_name
from tests.cluster.conftest import IMAGE
from tests.support.cluster.kubectl import Kube

CORES = Decimal("0.5")  # per desktop: it fits on a small node beside the portal and its tests


def _spec(installation: str) -> DesktopSpec:
    """Return the default of the launch form, except for names and cores."""
    identity = str(uuid4())
    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    return DesktopSpec(
        installation=installation,
        desktop_id=identity,
        run=1,
        name=desktop_name("baseline", identity),
        volume=volume_name("baseline", identity),
        volume_used=False,
        owner_id=str(uuid4()),
        owner_name="baseline",
        image=IMAGE,
        cpu=CORES,
        memory_mib=2048,
        storage_gib=5,
        gpu=0,
        vnc_password="password",  # noqa: S106 - of a desktop that lives a moment
        host_key=key.decode(),
    )


class Baseline:
    def __init__(self, kube: Kube, egress_except: tuple[str, ...]) -> None:
        self._kube = kube
        no_ingress = IngressSettings("", "", "", "", "", "")
        self._cluster = Cluster(
            installation="baseline",
            namespace=kube.namespace,
            storage_class="",
            access_mode="ReadWriteOnce",
            pull_policy="IfNotPresent",
            pull_secret="",
            egress_except=egress_except,
            name_servers=("169.254.20.10/32", "169.254.25.10/32"),  # as many rules as a desktop has by default
            exposure="proxy",
            node_address="",
            ingress=no_ingress,
        )

    def launch(self) -> tuple[str, str, Times]:
        """Return the name and the text of the objects, and the times since the command was entered."""
        spec = _spec("baseline")
        makers = (
            manifests.volume_claim,
            manifests.config_map,
            manifests.secret,
            network_manifests.network_policy,
            network_manifests.service,
        )
        bodies = [make(spec, self._cluster) for make in makers]
        # The Service's address is not known in advance; nothing here reads the annotation.
        bodies.append(manifests.pod(spec, self._cluster, service={"spec": {"clusterIP": "192.0.2.1"}}))
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": bodies})
        times = {"click": time.time()}
        self._kube.run("apply", "-f", "-", stdin=text)
        times["answered"] = time.time()
        address = self._kube("get", "service", spec.name, "-o", "jsonpath={.spec.clusterIP}")
        _wait_for_banner(address)
        times["first pixels"] = time.time()
        return spec.name, text, times

    def delete(self, text: str) -> None:
        self._kube.run("delete", "-f", "-", stdin=text)


def _wait_for_banner(address: str) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        try:
            with socket.create_connection((address, manifests.VNC), timeout=1) as client:
                if client.recv(12).startswith(b"RFB"):
                    return
        except OSError:
            time.sleep(0.005)
    raise TimeoutError(f"no banner at {address}")
