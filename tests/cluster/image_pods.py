"""Pods of the desktop image as the runtime makes them, for tests of the image alone."""

import subprocess
import tempfile
from base64 import b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from desktops.tests import rfb_client
from desktops.tests.rfb_client import RfbClient
from tests.cluster.kube import Kube

PASSWORD = "s3cret-8"
HOME = "/home/void/workspace"


class Keys:
    """An SSH host key and a person's key, as files."""

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
    """A desktop's pod. `home`: the source of its volume; `before`: what an init container does in it."""

    kube: Kube
    name: str
    image: str
    keys: Keys
    language: str = "en"
    before: str = ""
    home: dict[str, Any] = field(default_factory=lambda: {"emptyDir": {}})

    def manifests(self) -> list[dict[str, Any]]:
        metadata = {"name": self.name}
        environment = {
            "USER_ID": "1", "USER_NAME": "Ada 中文", "DISPLAY": ":1", "VNC_RESOLUTION": "1280x800",
            "LANGUAGE_CODE": self.language,
        }  # fmt: skip
        secrets = {
            "vnc-password": PASSWORD,
            "ssh_host_ed25519_key": self.keys.host.read_text(),
            "authorized_keys": self.keys.public(self.keys.person),
        }
        data = {name: b64encode(value.encode()).decode() for name, value in secrets.items()}
        return [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": environment},
            {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data},
            {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": self._spec()},
        ]

    def _spec(self) -> dict[str, Any]:
        container = {
            "image": self.image,
            "imagePullPolicy": "IfNotPresent",
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
            "volumeMounts": [
                {"name": "home", "mountPath": HOME},
                {"name": "tmp", "mountPath": "/tmp"},
                {"name": "run", "mountPath": "/run/podesk-session"},
                {"name": "secret", "mountPath": "/run/podesk/secret", "readOnly": True},
            ],
        }
        desktop = container | {
            "name": "desktop",
            "envFrom": [{"configMapRef": {"name": self.name}}],
            "readinessProbe": {"exec": {"command": ["/opt/podesk/ready"]}, "timeoutSeconds": 30, "periodSeconds": 1},
        }
        before = container | {"name": "before", "command": ["bash", "-ec", f"cd {HOME}; {self.before}"]}
        return {
            "restartPolicy": "OnFailure",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 10,
            "securityContext": {
                "runAsNonRoot": True,
                **{"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000, "fsGroupChangePolicy": "OnRootMismatch"},
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "initContainers": [before] if self.before else [],
            "containers": [desktop],
            "volumes": [
                {"name": "home"} | self.home,
                {"name": "tmp", "emptyDir": {}},
                {"name": "run", "emptyDir": {"medium": "Memory"}},
                {"name": "secret", "secret": {"secretName": self.name, "defaultMode": 0o440}},
            ],
        }

    # --- a look into it

    def exec(self, *command: str) -> str:
        """What it printed; empty, too, when it failed or the container is not there."""
        return self.kube.exec(self.name, *command, check=False)

    def pid(self, program: str) -> str:
        """The oldest process of that name; empty when there is none."""
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
        """With what the container before this one ended."""
        return self.status()["containerStatuses"][0]["lastState"]["terminated"]["exitCode"]

    def ip(self) -> str:
        return self.status()["podIP"]

    def screen(self, password: str = PASSWORD) -> RfbClient:
        return RfbClient((self.ip(), 5901), password)

    def panel_drawn(self) -> bool:
        """The lowest rows show icons and a clock: neither a plain background nor an empty panel has many colours."""
        with self.screen() as client:
            pixels = client.screen()
            return rfb_client.colours(pixels[-36 * client.width * 4 :]) > 100

    def ssh(self, *options: str, key: Path, program: str = "ssh", stdin: str = "") -> subprocess.CompletedProcess[str]:
        """As the person from outside, with that key and no other, sure of the host's own key."""
        known = self.keys.host.with_name("known_hosts")
        known.write_text(f"[{self.ip()}]:2222 {self.keys.public(self.keys.host)}\n")
        strict = f"StrictHostKeyChecking=yes UserKnownHostsFile={known} GlobalKnownHostsFile=/dev/null"
        alone = f"IdentitiesOnly=yes IdentityAgent=none BatchMode=yes Port=2222 IdentityFile={key}"
        settings = [f"-o{setting}" for setting in (*strict.split(), *alone.split())]
        command = [program, "-F", "none", *settings, f"void@{self.ip()}", *options]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=30, check=False)
