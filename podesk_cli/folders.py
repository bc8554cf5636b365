"""The data folder: its location, its permissions, and which Podesk is running on it."""

import fcntl
import json
import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from podesk_cli.report import Failure

CHECKOUT = Path(__file__).resolve().parent.parent
DESKTOP_USER = "podesk"
_ELSEWHERE = "Choose another folder with --data."
_MIB = 1024**2  # bytes
_FIRST_SPACE, _LATER_SPACE = 2048 * _MIB, 256 * _MIB  # the first run installs packages
_SOCKET_PATH = 107  # bytes; the kernel's limit for the path of a UNIX socket


@dataclass(frozen=True)
class Folders:
    """The checkout and the data folder."""

    checkout: Path
    data: Path

    @property
    def logs(self) -> Path:
        return self.data / "logs"

    @property
    def secrets(self) -> Path:
        return self.data / "secrets"

    @property
    def redis_socket(self) -> Path:
        return self.data / "redis/redis.sock"


def default_data() -> str:
    """Return the default data folder. For root it is outside root's home, which desktops' account cannot enter."""
    return os.environ.get("DATA_DIR") or ("/var/lib/podesk" if os.geteuid() == 0 else str(CHECKOUT / "var"))


def prepare(place: Folders) -> None:
    """Create the folders. Raises Failure when they cannot be used."""
    try:
        place.data.mkdir(mode=0o711, parents=True, exist_ok=True)
        for private in (place.logs, place.secrets, place.redis_socket.parent):
            private.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise Failure(f"The data folder {place.data} cannot be used: {error.strerror}. {_ELSEWHERE}") from error
    if not os.access(place.data, os.W_OK | os.X_OK):
        raise Failure(f"The data folder {place.data} is not writable. {_ELSEWHERE}")
    if len(os.fsencode(place.redis_socket)) > _SOCKET_PATH:
        raise Failure(f"The path of the data folder {place.data} is too long for a UNIX socket. {_ELSEWHERE}")
    needed = _LATER_SPACE if (place.checkout / ".venv").exists() else _FIRST_SPACE
    for folder in (place.data, place.checkout):
        if (free := shutil.disk_usage(folder).free) < needed:
            raise Failure(
                f"The disk of {folder} has {free // _MIB} MiB left; {needed // _MIB} MiB are needed. Free some space."
            )


def refuse_if_closed(place: Folders, *, user: str) -> None:
    """Raise Failure if `user`, the account of the desktops that root starts, cannot enter the data folder."""
    for folder in (place.data, *place.data.parents):
        if not folder.stat().st_mode & stat.S_IXOTH:
            raise Failure(
                f"Desktops run as the account {user}, which cannot enter {folder}. "
                f"{_ELSEWHERE} The default for root is /var/lib/podesk."
            )


def claim(place: Folders, url: str) -> TextIO:
    """Claim the data folder as long as the returned file is open, so that only one Podesk uses it. Raises Failure."""
    lock = (place.data / "run.lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Failure(_running_already(lock, place)) from None
    lock.truncate(0)
    json.dump({"pid": os.getpid(), "url": url}, lock)
    lock.flush()
    return lock


def _running_already(lock: TextIO, place: Folders) -> str:
    lock.seek(0)
    try:
        holder = json.load(lock)
    except ValueError:  # the other process has the lock but has not written yet
        holder = {"pid": "unknown", "url": "address unknown"}
    return (
        f"Podesk is already running on {place.data} (process {holder['pid']}): {holder['url']}. "
        "Stop it first, or choose another data folder with --data."
    )


def hold_checkout(checkout: Path) -> int:
    """Return an open lock on the checkout, so that two setups cannot damage the virtualenv. Close it to release."""
    handle = os.open(checkout, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    return handle
