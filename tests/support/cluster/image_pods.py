"""Pods of the desktop image as the runtime makes them, for tests of the image alone."""

import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from desktops.runtimes.base import DesktopSpec, Observed
from desktops.runtimes.kubernetes import manifests, pod_state
from desktops.tests.support import rfb_client
from desktops.tests.support.kubernetes_namespace import a_cluster
from desktops.tests.support.rfb_client import RfbClient
from desktops.tests.support.runtime_specs import a_spec
from tests.support.cluster.kubectl import Kube

PASSWORD = "s3cret-8"
HOME = manifests.HOME


class Keys:
    """SSH keys as files: of the host, of the user, and of a stranger."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="podesk-keys-")
        self.host, self.person, self.stranger = (self._make(name) for name in ("host", "person", "stranger"))

    def _make(self, name: str) -> Path:
        path = Path(self._folder.name) / name
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path], check=True)
        return path

    def public(self, key: Path) -> str:
        return key.with_suffix(".pub").read_text().strip()

    def close(self) -> None:
        self._folder.cleanup()


@dataclass(frozen=True)
class Pod:
    """A desktop's pod. `home`: the source of its volume. `before`: the commands of an init container in it."""

    kube: Kube
    name: str
    image: str
    keys: Keys
    language: str = "en"
    before: str = ""
    home: dict[str, Any] = field(default_factory=lambda: {"emptyDir": {}})

    def manifests(self) -> list[dict[str, Any]]:
        """Return the runtime's own manifests with another home volume and smaller resource requests."""
        spec, cluster = self._spec(), a_cluster(self.kube.namespace)
        pod = manifests.pod(spec, cluster, service={"spec": {"clusterIP": "192.0.2.1"}})
        [desktop], [home, *others] = pod["spec"]["containers"], pod["spec"]["volumes"]
        desktop["resources"]["requests"] = {"cpu": "50m", "memory": "128Mi"}  # ten at once, on a node of two cores
        pod["spec"]["volumes"] = [{"name": home["name"]} | self.home, *others]
        if self.before:
            shared = {part: desktop[part] for part in ("image", "imagePullPolicy", "securityContext", "volumeMounts")}
            before = {"name": "before", "command": ["bash", "-ec", f"cd {HOME}; {self.before}"]}
            pod["spec"]["initContainers"] = [shared | before]
        return [manifests.config_map(spec, cluster), manifests.secret(spec, cluster), pod]

    def _spec(self) -> DesktopSpec:
        return a_spec(
            name=self.name,
            image=self.image,
            owner_name="Ada 中文",
            language=self.language,
            time_zone="Asia/Kathmandu",
            resolution="1280x800",
            vnc_password=PASSWORD,
            host_key=self.keys.host.read_text(),
            authorized_keys=self.keys.public(self.keys.person),
            memory_mib=2048,
        )

    # --- Inspection

    def exec(self, *command: str) -> str:
        """Run a command, and return its output; empty if it failed or the container does not exist."""
        return self.kube.exec(self.name, *command, check=False)

    def pid(self, program: str) -> str:
        """Return the oldest process of this name; empty if there is none."""
        return self.exec("pgrep", "-o", "-x", program).strip()

    def environment(self, program: str) -> dict[str, str]:
        lines = self.exec("cat", f"/proc/{self.pid(program)}/environ").split("\0")
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def status(self) -> dict[str, Any]:
        pod = self.kube.get("pod", self.name)
        assert pod, f"no pod {self.name}"
        return pod["status"]

    def restarts(self) -> int:
        return self.status()["containerStatuses"][0]["restartCount"]

    def last_exit(self) -> int:
        """Return the exit code of the previous container."""
        return self.status()["containerStatuses"][0]["lastState"]["terminated"]["exitCode"]

    def observed(self) -> Observed:
        """Return the state that the controller would observe."""
        found = self.kube.get("pod", self.name)
        assert found, f"no pod {self.name}"
        return pod_state.observed(found, [])

    def ip(self) -> str:
        return self.status()["podIP"]

    def screen(self, password: str = PASSWORD) -> RfbClient:
        return RfbClient((self.ip(), 5901), password)

    def panel_drawn(self) -> bool:
        with self.screen() as client:
            return rfb_client.panel_drawn(client)

    def ssh(self, *options: str, key: Path, program: str = "ssh", stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Connect from outside as the user, with only this key, and check the host's key."""
        known = self.keys.host.with_name("known_hosts")
        known.write_text(f"[{self.ip()}]:2222 {self.keys.public(self.keys.host)}\n")
        strict = f"StrictHostKeyChecking=yes UserKnownHostsFile={known} GlobalKnownHostsFile=/dev/null"
        alone = f"IdentitiesOnly=yes IdentityAgent=none BatchMode=yes Port=2222 IdentityFile={key}"
        settings = [f"-o{setting}" for setting in (*strict.split(), *alone.split())]
        command = [program, "-F", "none", *settings, f"void@{self.ip()}", *options]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=30, check=False)
