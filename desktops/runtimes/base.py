"""What a runtime is: how a desktop comes to exist, behind few verbs. Plain Python, knows no Django."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol


@dataclass(frozen=True)
class Placement:
    """Where a cluster may run an image, and what it needs there. Empty: no wish."""

    node_selector: dict[str, str] = field(default_factory=dict)
    tolerations: list[dict[str, Any]] = field(default_factory=list)
    priority_class: str = ""
    pull_secret: str = ""
    gpu_resource: str = "nvidia.com/gpu"


@dataclass(frozen=True)
class NodePorts:
    """Ports of the nodes, leased for one desktop."""

    vnc: int
    novnc: int
    ssh: int


@dataclass(frozen=True)
class DesktopSpec:
    """Everything a runtime must know to make one desktop exist. Units: cores, MiB, GiB."""

    installation: str  # marks what is ours
    desktop_id: str  # UUID, text
    run: int  # counts starts of this desktop: what is observed of an earlier run is never mistaken for this one
    name: str  # object name, valid everywhere ([a-z0-9-]{1,63}), stored on the row
    volume: str  # name of the volume that holds the home folder; survives stop and start
    volume_used: bool  # somebody has worked in it: if it is gone, a new empty one would be a lie
    owner_id: str
    owner_name: str  # as the person wrote it: for display inside the desktop, never for object names
    image: str  # container image; the local runtime has none
    cpu: Decimal
    memory_mib: int
    storage_gib: int
    gpu: int
    vnc_password: str = field(repr=False)  # 8 characters, all that VNC authentication uses
    resolution: str = "1920x1080"
    language: str = "en"  # Django language code of the owner
    time_zone: str = "UTC"  # name in the time zone database
    host_key: str = field(default="", repr=False)  # SSH host key, OpenSSH format; the same for all runs
    authorized_keys: str = ""  # SSH public keys that may log in, one per line
    placement: Placement = Placement()
    ports: NodePorts | None = None  # where the installation exposes desktops by node port


class Phase(StrEnum):
    CREATED = "created"  # the runtime has accepted it; nothing runs yet
    STARTED = "started"  # its process or container runs; VNC does not answer yet
    READY = "ready"  # the RFB banner answers
    STOPPING = "stopping"
    ENDED = "ended"  # it ended by itself with success: the person logged out inside the desktop
    FAILED = "failed"  # it ended otherwise; `reason` says why


@dataclass(frozen=True)
class VNCEndpoint:
    """Where a desktop's VNC answers: "unix" with a socket path and port 0, or "tcp" with host and port."""

    kind: str
    address: str
    port: int = 0


@dataclass(frozen=True)
class Exposed:
    """Where VNC and SSH programs outside reach a desktop directly."""

    host: str
    vnc: int
    novnc: int
    ssh: int


@dataclass(frozen=True)
class Observed:
    """What a runtime sees of one desktop. `steps` holds the times of the runtime's steps as far as reached."""

    name: str
    desktop_id: str
    run: int
    phase: Phase
    endpoint: VNCEndpoint | None = None
    steps: dict[str, datetime] = field(default_factory=dict)
    reason: str = ""  # slug of desktops/wording/diagnosis.py: why it ended or, before it is ready, why it waits
    detail: str = ""  # for the log, not for people
    restarts: int = 0  # how often what runs in it was started anew within this run
    exposed: Exposed | None = None


@dataclass(frozen=True)
class Usage:
    """What a desktop uses now, beside its limits; None: not limited, or not known."""

    cpu: float  # cores, averaged since the last look
    memory_mib: float
    cpu_limit: float | None
    memory_limit_mib: float | None


class RuntimeFault(Exception):
    """The runtime refused or could not do something. `permanent`: repeating it will not help until a person acts."""

    def __init__(
        self, reason: str, detail: str, *, permanent: bool = True, facts: dict[str, str] | None = None
    ) -> None:
        """`facts`: amounts and words for the reason's sentence; `detail` is for the log."""
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail, self.permanent, self.facts = reason, detail, permanent, facts or {}


class DeletionBegun(RuntimeFault):
    """The deletion has just begun and goes on by itself. Call again to learn whether anything is left."""

    def __init__(self, name: str) -> None:
        super().__init__("deletion_begun", name, permanent=False)


class RuntimeUnknown(Exception):
    """The runtime did not answer. Says nothing about any desktop: never read it as "not running"."""


@dataclass(frozen=True)
class Deadline:
    """One time limit shared by all calls of one operation."""

    at: float  # time.monotonic()

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        return cls(time.monotonic() + seconds)

    @property
    def remaining(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, self.at - time.monotonic())


Names = list[str]  # `list` is a verb here


class Runtime(Protocol):
    """Every verb is idempotent: already there is success, already gone is success. None waits for readiness."""

    steps: tuple[str, ...]  # those of DesktopEvent.STEPS that it reports, in order; the last is "ready"

    def warm_up(self) -> None:
        """For a process that will start desktops: what can be done before anybody waits. Optional, never needed."""

    def start(self, spec: DesktopSpec, *, deadline: Deadline) -> None:
        """Create what is missing, adopt what is there and ours. Raises RuntimeFault, RuntimeUnknown.

        Ends an earlier run first; when that takes more than a moment the fault is not permanent: call again later.
        """

    def stop(self, name: str, *, deadline: Deadline) -> None:
        """Begin to end the desktop of that name; its volume stays. Forgets an ended or failed one."""

    def renew_keys(self, name: str, authorized_keys: str, *, deadline: Deadline) -> None:
        """From now on, or a minute later, these SSH keys open it. Nothing when it is not there, or has no SSH."""

    def delete_volume(self, volume: str, *, deadline: Deadline) -> None:
        """Remove the home folder for good, and return when nothing of it is left. Call only when `observe` says that
        nothing uses it. Raises DeletionBegun, and RuntimeFault while an earlier deletion has not ended: call again."""

    def observe(self, name: str) -> Observed | None:
        """What is so now; None: certainly not there. Raises RuntimeUnknown."""

    def list(self) -> list[Observed]:
        """All desktops of this installation. Raises RuntimeUnknown."""

    def volumes(self) -> Names:
        """All home folders of this installation that are not just being removed. Raises RuntimeUnknown."""

    def watch(self, *, timeout: float) -> Iterator[str]:
        """Names of desktops that changed, as it happens, for about `timeout` seconds. May miss some, `list` none."""

    def logs(self, name: str, *, lines: int = 100) -> str:
        """The last lines that the desktop's session printed; empty when there are none."""

    def usage(self, name: str) -> Usage | None:
        """None when it does not run."""

    def unlimited(self) -> str | None:
        """Why CPU and memory limits are not enforced: an English sentence, a msgid to translate. None: they are."""
