"""Helpers for tests of runtimes: make specs, wait, inspect home folders and processes, and clean up."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil

from desktops.runtimes import names
from desktops.runtimes.base import Deadline, DesktopSpec, Observed, Phase, Runtime, RuntimeFault, VNCEndpoint
from desktops.runtimes.local import cgroups, desktop_files, processes
from desktops.runtimes.local.desktop_files import DesktopFolder
from desktops.runtimes.local.local_runtime import LocalRuntime

ACCOUNT = "podesk-test"
PASSWORD = "s3cret-8"


def soon() -> Deadline:
    return Deadline.after(30)


def connect(endpoint: VNCEndpoint) -> socket.socket:
    if endpoint.kind == "tcp":
        return until(lambda: _opened(endpoint), what="its port", seconds=10)
    client = socket.socket(socket.AF_UNIX)
    client.connect(endpoint.address)
    return client


def _opened(endpoint: VNCEndpoint) -> socket.socket | None:
    """Return a connection, or None if it is refused.

    Nodes have the route to a pod a moment after it is ready; see CONNECT_RETRY_SECONDS in desktops/proxy.
    """
    with suppress(ConnectionRefusedError):
        return socket.create_connection((endpoint.address, endpoint.port), timeout=10)
    return None


def banner_at(endpoint: VNCEndpoint) -> bytes:
    """Return the RFB banner. Connects again after a reset, as viewers do.

    A node may change its routes meanwhile, which takes long while its CPU is busy.
    """

    def read() -> bytes:
        with suppress(ConnectionResetError), connect(endpoint) as client:
            return client.recv(12)
        return b""

    return until(read, what="its banner")


def until(found: Callable[[], Any], *, what: str, seconds: float = 60, every: float = 0.01, seen: Any = "") -> Any:
    """Return the first true result of `found`. Without one, fail the test with `seen` in the message."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := found():
            return answer
        time.sleep(every)
    raise AssertionError(f"waited {seconds} s for {what}; {seen}")


def a_spec(**changes: Any) -> DesktopSpec:
    desktop_id = changes.setdefault("desktop_id", str(uuid4()))
    common: dict[str, Any] = {
        "installation": "test", "run": 1, "name": names.desktop_name("Ada", desktop_id),
        "volume": names.volume_name("Ada", desktop_id), "volume_used": False,
        "owner_id": "1", "owner_name": "Ada", "image": "local",
        "cpu": Decimal(2), "memory_mib": 1024, "storage_gib": 5, "gpu": 0, "vnc_password": PASSWORD,
        "resolution": "800x600",
    }  # fmt: skip
    return DesktopSpec(**(common | changes))


class RuntimeHarness:
    """A runtime with its own desktops: everything that the tests of the runtime contract use."""

    runtime: Runtime
    installation: str
    every = 0.01  # seconds between two checks
    patience = 60  # seconds to wait for a phase

    def spec(self, **changes: Any) -> DesktopSpec:
        return a_spec(**({"installation": self.installation} | changes))

    def wait(self, name: str, phase: Phase | None) -> Observed | None:
        seen: list[Observed | None] = []

        def there() -> bool:
            seen[:] = [self.runtime.observe(name)]
            return (seen[0].phase if seen[0] else None) == phase

        until(there, what=f"{name} to be {phase}", seconds=self.patience, every=self.every, seen=seen)
        return seen[0]

    def start(self, spec: DesktopSpec) -> None:
        """Start a desktop. Repeats while the runtime postpones the start, as the portal does."""
        self._repeat(lambda: self.runtime.start(spec, deadline=soon()), f"{spec.name} to be begun")

    def delete_home(self, spec: DesktopSpec) -> None:
        """Delete a volume. Repeats while something is left, as the portal does."""
        self._repeat(lambda: self.runtime.delete_volume(spec.volume, deadline=soon()), f"{spec.volume} to be deleted")

    def _repeat(self, work: Callable[[], None], what: str) -> None:
        faults: list[str] = []

        def done() -> bool:
            try:
                work()
            except RuntimeFault as fault:
                if fault.permanent:
                    raise
                faults[:] = [repr(fault), fault.detail]
                return False
            return True

        until(done, what=what, seconds=self.patience, every=self.every, seen=faults)

    def run(self, **changes: Any) -> DesktopSpec:
        """Start a desktop, and return its spec when it is ready."""
        spec = self.spec(**changes)
        self.start(spec)
        self.wait(spec.name, Phase.READY)
        return spec


class LocalHarness(RuntimeHarness):
    """A local runtime in its own folder."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="podesk-", dir="/tmp"))
        self.root.chmod(0o711)
        self.installation = f"test-{secrets.token_hex(4)}"
        self.runtime = LocalRuntime(self.root, installation=self.installation, user=ACCOUNT)

    def other(self) -> LocalRuntime:
        """Return a runtime of another installation in the same folder."""
        return LocalRuntime(self.root, installation="another", user=ACCOUNT)

    def home(self, spec: DesktopSpec) -> Path:
        return self.root / "volumes" / spec.volume

    def has_home(self, spec: DesktopSpec) -> bool:
        return self.home(spec).exists()

    def lose_home(self, spec: DesktopSpec) -> None:
        shutil.rmtree(self.home(spec))

    def shell(self, spec: DesktopSpec, command: str) -> str:
        """Run a command in the home folder of a running desktop, and return its output."""
        command = ["sh", "-c", command]
        return subprocess.run(command, cwd=self.home(spec), capture_output=True, text=True, check=False).stdout

    def log_out(self, name: str) -> None:
        """Log out of the session, as the entry "Log Out" of the menu does."""
        os.kill(int(self.program(name, "xfwm4").environ()["PODESK_SESSION"]), signal.SIGUSR1)

    # --- Only for tests of the local runtime

    def place(self, name: str) -> DesktopFolder:
        return DesktopFolder(self.root, name)

    def state(self, name: str) -> desktop_files.HolderState:
        if (state := desktop_files.read(self.place(name))) is None:
            raise AssertionError(f"{name} has no state")
        return state

    def holder(self, name: str) -> psutil.Process:
        if (holder := self.state(name).holder) is None:
            raise AssertionError(f"{name} has no holder")
        return psutil.Process(holder.pid)

    def processes(self, name: str) -> list[psutil.Process]:
        """Return the processes of the session without the holder."""
        found = []
        for process in processes.marked(self.place(name).marker):
            with suppress(psutil.NoSuchProcess):
                found.append(psutil.Process(process.pid))
        return found

    def programs(self, name: str, program: str) -> list[psutil.Process]:
        found = []
        for process in self.processes(name):
            with suppress(psutil.NoSuchProcess):  # it has just ended
                if process.name() == program:
                    found.append(process)
        return found

    def program(self, name: str, program: str) -> psutil.Process:
        """Wait for a program of the session, and return its process."""
        found: list[psutil.Process] = until(lambda: self.programs(name, program), what=program)
        return found[0]

    def close(self) -> None:
        """End and delete everything that the test left."""
        for folder in (self.root / "desktops").glob("*"):
            place, state = self.place(folder.name), desktop_files.read(self.place(folder.name))
            if state and state.holder:
                processes.kill_all([state.holder], timeout=5)
            while left := list(processes.marked(place.marker)):  # they may fork until the last has ended
                processes.kill_all(left, timeout=5)
            if state:
                cgroups.remove(state.groups)
        shutil.rmtree(self.root, ignore_errors=True)
