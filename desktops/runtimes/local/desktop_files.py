"""What is on disk of one local desktop: its folders, its lock, and the state that its holder writes.

Tuples, not dataclasses: the holder imports this while a person waits, and `dataclasses` takes a third of its start.
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

SOCKET_PATH_LIMIT = 107  # bytes, sun_path without its final zero
FULL = (errno.ENOSPC, errno.EDQUOT)


class DesktopFolder(NamedTuple):
    """Where one desktop lives below the runtime's folder."""

    root: Path
    name: str

    @property
    def folder(self) -> Path:
        return self.root / "desktops" / self.name

    @property
    def lock(self) -> Path:
        """Held by a starter, handed on to the holder, held for the holder's life."""
        return self.folder / "lock"

    @property
    def plan(self) -> Path:
        return self.folder / "plan.json"

    @property
    def stop(self) -> Path:
        """There from the moment the end is asked for, so that a holder that is just starting sees it too."""
        return self.folder / "stop"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def private(self) -> Path:
        """Belongs to the desktop's account: sockets and secrets. Short, because a socket's path is."""
        return self.root / "s" / hashlib.sha256(self.name.encode()).hexdigest()[:8]

    @property
    def socket(self) -> Path:
        return self.private / "rfb"

    @property
    def marker(self) -> str:
        """In the environment of every process of this desktop: finds what a killed holder left behind."""
        return f"PODESK_DESKTOP={self.folder}"


class HolderState(NamedTuple):
    """`steps` are ISO times by phase. `holder` is None until the holder has begun."""

    installation: str
    desktop_id: str
    name: str
    run: int
    phase: str = "created"
    steps: Mapping[str, str] = MappingProxyType({})
    holder: Process | None = None
    groups: tuple[str, ...] = ()  # control groups, as paths; empty: no limits are enforced
    limits: Limits = Limits(0, 0)
    reason: str = ""
    detail: str = ""
    restarts: int = 0  # how often the session was started again after a crash; `reason` and `detail` are of the last

    def entered(self, phase: str) -> "HolderState":
        return self._replace(phase=phase, steps={**self.steps, phase: datetime.now(UTC).isoformat()})


class SessionPlan(NamedTuple):
    """All that a holder needs to know, made by the starter: the holder itself takes no decisions."""

    server: list[str]  # command of the X server
    session: list[str]  # command of what runs inside
    environment: dict[str, str]  # of both; DISPLAY is added when the server has chosen one
    home: str
    account: dict[str, Any]  # subprocess arguments that switch to the account


def write_plan(place: DesktopFolder, plan: SessionPlan) -> None:
    place.plan.write_text(json.dumps(plan._asdict()))
    place.plan.chmod(0o600)


def read_plan(place: DesktopFolder) -> SessionPlan:
    return SessionPlan(**json.loads(place.plan.read_bytes()))


def read(place: DesktopFolder) -> HolderState | None:
    """None: no such desktop. What was never written whole counts as none."""
    try:
        raw = json.loads((place.folder / "state.json").read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    raw["holder"] = Process(*raw["holder"]) if raw["holder"] else None
    raw["groups"], raw["limits"] = tuple(raw["groups"]), Limits(*raw["limits"])
    return HolderState(**raw)


def write(place: DesktopFolder, state: HolderState) -> None:
    """Replace the state in one step and tell the watcher, if there is one."""
    new = place.folder / "state.new"
    text = json.dumps(state._asdict() | {"steps": dict(state.steps)})
    with_spare(place, lambda: new.write_text(text))
    new.replace(place.folder / "state.json")
    if state.holder:  # before, nothing runs yet; its first sign of life follows at once
        announce(place)


def ask_to_stop(place: DesktopFolder) -> None:
    """Leave the time of the first asking as it is: it tells how long we have waited."""
    if not place.stop.exists():
        with_spare(place, place.stop.touch)


def with_spare(place: DesktopFolder, write: Callable[[], object]) -> None:
    """Write something that must be written though the disk is full: a spare file makes room, once."""
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
    """The locked descriptor, or None when somebody else has held it for `timeout` seconds."""
    end = time.monotonic() + timeout
    while True:
        fd = os.open(place.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(fd).st_ino == place.lock.stat().st_ino:  # else: forgotten while we took it
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
    """Whether a holder (or a starter) lives. Takes a shared lock for an instant: those who take it allow for that."""
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
    """Remove what is kept of a desktop, its volume excepted. Call with the lock held."""
    shutil.rmtree(place.private, ignore_errors=True)
    # In one step, lock and all: removing takes a while, and the next run writes files of the same names.
    gone = place.folder.with_name(f".gone-{place.name}-{os.getpid()}")
    shutil.rmtree(gone, ignore_errors=True)  # of somebody who was killed here
    with suppress(FileNotFoundError):
        place.folder.rename(gone)
    announce(place)
    shutil.rmtree(gone, ignore_errors=True)
