"""The files of one local desktop: its folders, its lock, and the state that its holder writes.

Uses NamedTuple, because importing `dataclasses` would add a third to the start time of the holder.
"""

import errno
import fcntl
import hashlib
import json
import os
import shutil
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from desktops.runtimes.local.cgroups import Limits
from desktops.runtimes.local.processes import Process

SOCKET_PATH_LIMIT = 107  # bytes; size of sun_path without its final zero
FULL = (errno.ENOSPC, errno.EDQUOT)


class DesktopFolder(NamedTuple):
    """The paths of one desktop below the runtime's folder."""

    root: Path
    name: str

    @property
    def folder(self) -> Path:
        return self.root / "desktops" / self.name

    @property
    def lock(self) -> Path:
        """The lock file. The starter takes the lock and passes it to the holder, which keeps it until it ends."""
        return self.folder / "lock"

    @property
    def plan(self) -> Path:
        return self.folder / "plan.json"

    @property
    def stop(self) -> Path:
        """The file that requests a stop. A holder that is still starting also checks it."""
        return self.folder / "stop"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def private(self) -> Path:
        """The folder for sockets and secrets, owned by the desktop's account.

        Short, because socket paths are limited.
        """
        return self.root / "s" / hashlib.sha256(self.name.encode()).hexdigest()[:8]

    @property
    def socket(self) -> Path:
        return self.private / "rfb"

    @property
    def marker(self) -> str:
        """A variable in the environment of every process of this desktop.

        It identifies processes left by a killed holder.
        """
        return f"PODESK_DESKTOP={self.folder}"


class HolderState(NamedTuple):
    """The state that the holder writes.

    `steps` are ISO times by phase. `holder` is None until the holder has started.
    """

    installation: str
    desktop_id: str
    name: str
    run: int
    phase: str = "created"
    steps: Mapping[str, str] = MappingProxyType({})
    holder: Process | None = None
    groups: tuple[str, ...] = ()  # paths of control groups; empty: limits are not enforced
    limits: Limits = Limits(0, 0)
    reason: str = ""
    detail: str = ""
    restarts: int = 0  # crash restarts of the session; `reason` and `detail` describe the last one

    def entered(self, phase: str) -> "HolderState":
        return self._replace(phase=phase, steps={**self.steps, phase: datetime.now(UTC).isoformat()})


class SessionPlan(NamedTuple):
    """Everything that a holder needs, prepared by the starter. The holder makes no decisions of its own."""

    server: list[str]  # command of the X server
    session: list[str]  # command of the session
    environment: dict[str, str]  # for both; DISPLAY is added when the server has chosen one
    home: str
    account: dict[str, Any]  # subprocess arguments that switch to the account


def write_plan(place: DesktopFolder, plan: SessionPlan) -> None:
    place.plan.write_text(json.dumps(plan._asdict()))
    place.plan.chmod(0o600)


def read_plan(place: DesktopFolder) -> SessionPlan:
    return SessionPlan(**json.loads(place.plan.read_bytes()))


def read(place: DesktopFolder) -> HolderState | None:
    """Return the state, or None if there is no such desktop or its state was never written completely."""
    try:
        raw = json.loads((place.folder / "state.json").read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    raw["holder"] = Process(*raw["holder"]) if raw["holder"] else None
    raw["groups"], raw["limits"] = tuple(raw["groups"]), Limits(*raw["limits"])
    return HolderState(**raw)


def write(place: DesktopFolder, state: HolderState) -> None:
    """Replace the state atomically and notify the watcher, if there is one."""
    new = place.folder / "state.new"
    text = json.dumps(state._asdict() | {"steps": dict(state.steps)})
    with_spare(place, lambda: new.write_text(text))
    new.replace(place.folder / "state.json")
    if state.holder:  # without a holder, nothing runs yet, and its first report follows at once
        announce(place)


def ask_to_stop(place: DesktopFolder) -> None:
    """Request a stop. The time of the first request is kept, to know how long the stop takes."""
    if not place.stop.exists():
        with_spare(place, place.stop.touch)


def with_spare(place: DesktopFolder, write: Callable[[], object]) -> None:
    """Write something important even if the disk is full, by deleting a spare file first."""
    try:
        write()
    except OSError as error:
        if error.errno not in FULL:
            raise
        (place.folder / "spare").unlink(missing_ok=True)
        write()


def announce(place: DesktopFolder) -> None:
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
        sender.sendto(place.name.encode(), str(events_path(place.root)))


def events_path(root: Path) -> Path:
    return root / "events.sock"


def take_lock(place: DesktopFolder, *, timeout: float = 0) -> int | None:
    """Return the locked descriptor, or None if another process has held the lock for `timeout` seconds."""
    end = time.monotonic() + timeout
    while True:
        fd = os.open(place.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(fd).st_ino == place.lock.stat().st_ino:  # otherwise the desktop was removed in the meantime
                return fd
        except BlockingIOError:
            if time.monotonic() >= end:
                os.close(fd)
                return None
            time.sleep(0.01)
        except FileNotFoundError:
            os.close(fd)
            raise
        os.close(fd)


def is_held(place: DesktopFolder) -> bool:
    """Say whether a holder or starter is alive. Takes a shared lock for a moment, which lock takers tolerate."""
    try:
        fd = os.open(place.lock, os.O_RDWR | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(fd)


def forget(place: DesktopFolder) -> None:
    """Remove all files of a desktop except its volume. Call this with the lock held."""
    shutil.rmtree(place.private, ignore_errors=True)
    # Rename first: deleting takes a while, and the next run writes files of the same names.
    gone = place.folder.with_name(f".gone-{place.name}-{os.getpid()}")
    shutil.rmtree(gone, ignore_errors=True)  # left by a process that was killed here
    with suppress(FileNotFoundError):
        place.folder.rename(gone)
    announce(place)
    shutil.rmtree(gone, ignore_errors=True)
