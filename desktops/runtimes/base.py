"""The runtime interface: a few operations that create, observe and stop desktops. Does not use Django."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol

from desktops.runtimes.home_usage import HomeUsage


@dataclass(frozen=True)
class Placement:
    """Where a cluster may run an image, and what it needs there. Empty values set no constraint."""

    node_selector: dict[str, str] = field(default_factory=dict)
    tolerations: list[dict[str, Any]] = field(default_factory=list)
    priority_class: str = ""
    pull_secret: str = ""
    gpu_resource: str = "nvidia.com/gpu"


@dataclass(frozen=True)
class NodePorts:
    """Node ports leased for one desktop."""

    vnc: int
    novnc: int
    ssh: int


@dataclass(frozen=True)
class DesktopSpec:
    """Everything that a runtime needs to create one desktop. Units: cores, MiB, GiB."""

    installation: str  # identifies our objects
    desktop_id: str  # UUID, text
    run: int  # number of the start; observations of an earlier run are never taken for this one
    name: str  # object name, valid everywhere ([a-z0-9-]{1,63}), stored on the row
    volume: str  # name of the volume that holds the home folder; survives stop and start
    volume_used: bool  # the volume has held work; if it is missing, it must not be replaced by an empty one
    owner_id: str
    owner_name: str  # as the person typed it; shown inside the desktop, never used in object names
    image: str  # container image; the local runtime has none
    cpu: Decimal
    memory_mib: int
    storage_gib: int
    gpu: int
    vnc_password: str = field(repr=False)  # 8 characters, all that VNC authentication uses
    resolution: str = "1920x1080"
    language: str = "en"  # Django language code of the owner
    time_zone: str = "UTC"  # name in the time zone database
    host_key: str = field(default="", repr=False)  # SSH host key in OpenSSH format; the same for all runs
    authorized_keys: str = ""  # SSH public keys that may log in, one per line
    placement: Placement = Placement()
    ports: NodePorts | None = None  # set if desktops are exposed by node port


class Phase(StrEnum):
    CREATED = "created"  # accepted by the runtime; nothing runs yet
    STARTED = "started"  # its process or container runs; VNC does not answer yet
    READY = "ready"  # the RFB banner answers
    STOPPING = "stopping"
    ENDED = "ended"  # ended with success: the person logged out inside the desktop
    FAILED = "failed"  # ended with an error; `reason` says which


@dataclass(frozen=True)
class VNCEndpoint:
    """The address of a desktop's VNC server: "unix" with a socket path and port 0, or "tcp" with host and port."""

    kind: str
    address: str
    port: int = 0


@dataclass(frozen=True)
class Exposed:
    """The address at which VNC and SSH programs outside reach a desktop directly."""

    host: str
    vnc: int
    novnc: int
    ssh: int


@dataclass(frozen=True)
class Observed:
    """The observed state of one desktop. `steps` holds the times of the steps reached so far."""

    name: str
    desktop_id: str
    run: int
    phase: Phase
    endpoint: VNCEndpoint | None = None
    steps: dict[str, datetime] = field(default_factory=dict)
    reason: str = ""  # slug of desktops/wording/reasons.py: why it ended or why it is not ready yet
    detail: str = ""  # for the log, not for people
    restarts: int = 0  # number of restarts of its container or session within this run
    exposed: Exposed | None = None
    # Kinds of its objects that are missing; None: not compared. `suspect`: there is a sign that one is missing.
    missing: tuple[str, ...] | None = None
    suspect: bool = False


@dataclass(frozen=True)
class Usage:
    """The current use of a desktop and its limits. A limit is None if it is not enforced or not known."""

    cpu: float  # cores, averaged since the previous measurement
    memory_mib: float
    cpu_limit: float | None
    memory_limit_mib: float | None


@dataclass(frozen=True)
class ResourceQuotaUse:
    """How much of a resource all desktops together use, and may use. Cores, bytes, or a number of objects."""

    resource: str
    used: float
    hard: float

    @property
    def share(self) -> float:
        return self.used / self.hard if self.hard else 1.0


@dataclass(frozen=True)
class StorageSpace:
    """The size of the storage that all home folders share, in bytes."""

    used: int
    free: int  # that home folders may still take


@dataclass(frozen=True)
class MachineCapacity:
    """What the machines that run desktops can give to them and to everything else that runs there."""

    machines: int
    cpu: float  # cores
    memory_mib: float
    gpu: int


class RuntimeFault(Exception):
    """The runtime refused or failed. If `permanent`, retrying does not help until a person acts."""

    def __init__(
        self, reason: str, detail: str, *, permanent: bool = True, facts: dict[str, str] | None = None
    ) -> None:
        """`facts` are values for the reason's sentence; `detail` is for the log."""
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail, self.permanent, self.facts = reason, detail, permanent, facts or {}


class DeletionBegun(RuntimeFault):
    """A deletion has started and continues in the background. Call again to check whether it is complete."""

    def __init__(self, name: str) -> None:
        super().__init__("deletion_begun", name, permanent=False)


class RuntimeUnknown(Exception):
    """The runtime did not answer. The state of desktops is unknown; never treat it as "not running".

    `refused`: it answered, but denied access to the desktops.
    """

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


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


Names = list[str]  # needed because `list` is a method here


class Runtime(Protocol):
    """All operations are idempotent: an object that already exists or is already gone is a success.

    No operation waits until a desktop is ready.
    """

    steps: tuple[str, ...]  # the steps of DesktopEvent.STEPS that it reports, in order; the last is "ready"

    def warm_up(self) -> None:
        """Prepare a process that will start desktops, to save time later. Optional."""

    def start(self, spec: DesktopSpec, *, deadline: Deadline) -> None:
        """Create the missing objects and reuse existing ones of this installation. Raises RuntimeFault, RuntimeUnknown.

        Ends an earlier run first. If that takes longer than a moment, it raises a fault that is not permanent: call
        again.
        """

    def stop(self, name: str, *, deadline: Deadline) -> None:
        """Begin to end a desktop, and remove one that has ended or failed. Its volume is kept."""

    def mend(self, spec: DesktopSpec, *, deadline: Deadline) -> Names:
        """Create the missing objects of a running desktop without restarting it. Return the kinds that were created."""

    def renew_keys(self, name: str, authorized_keys: str, *, deadline: Deadline) -> None:
        """Replace the SSH keys of a desktop, within about a minute. Does nothing if it does not run or has no SSH."""

    def delete_volume(self, volume: str, *, deadline: Deadline) -> None:
        """Permanently delete a home folder, and return once nothing of it is left.

        Call this only if `observe` shows that nothing uses it. Raises DeletionBegun, or RuntimeFault while an earlier
        deletion continues: call again.
        """

    def observe(self, name: str) -> Observed | None:
        """Return the present state, or None if the desktop certainly does not exist. Raises RuntimeUnknown."""

    def list(self) -> list[Observed]:
        """Return all desktops of this installation. Raises RuntimeUnknown."""

    def volumes(self) -> Names:
        """Return all home folders of this installation that are not being deleted. Raises RuntimeUnknown."""

    def watch(self, *, timeout: float) -> Iterator[str]:
        """Yield names of changed desktops for about `timeout` seconds. May miss some; `list` does not."""

    def logs(self, name: str, *, lines: int = 100) -> str:
        """Return the last lines of the session's output, or an empty string."""

    def usage(self, name: str) -> Usage | None:
        """Return the present use of a desktop, or None if it does not run."""

    def home_usage(self, name: str) -> HomeUsage | None:
        """Return the last measurement of a desktop's home folder, or None. It is its owner's claim."""

    def quota_use(self) -> tuple[ResourceQuotaUse, ...]:
        """Return the limits of all desktops together that the runtime itself enforces. Raises RuntimeUnknown."""

    def storage_space(self) -> StorageSpace | None:
        """Return the size of the storage that all home folders share, or None if the runtime cannot see it."""

    def capacity(self) -> MachineCapacity | None:
        """Return what the machines can give, or None if the runtime may not see them. Raises RuntimeUnknown."""

    def usage_of_all(self) -> dict[str, Usage]:
        """Return the present use of all running desktops by name, from one call or one pass. May miss some.

        Its limits may be unknown. Returns nothing if use is not measured here. Raises RuntimeUnknown.
        """

    def unlimited(self) -> str | None:
        """Return why CPU and memory limits are not enforced, as an English msgid. Return None if they are enforced."""
