"""The log of a local desktop. Its size is limited, and a failed write never ends the desktop."""

import os
from contextlib import suppress
from pathlib import Path

from desktops.runtimes.local.desktop_files import FULL

LIMIT = 512 * 1024  # bytes, for each of the log and the previous log


class Log:
    """A log file. `full` is true if the disk was full at the last write."""

    def __init__(self, path: Path) -> None:
        self.path, self.full = path, False
        self._fd = self._open()

    def write(self, data: bytes) -> None:
        try:
            os.write(self._fd, data)
            self.full = False
        except OSError as error:
            self.full = error.errno in FULL
        if os.fstat(self._fd).st_size > LIMIT:
            self.path.replace(_older(self.path))
            os.close(self._fd)
            self._fd = self._open()

    def _open(self) -> int:
        return os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def tail(path: Path, lines: int) -> str:
    text = b""
    for part in (_older(path), path):
        with suppress(FileNotFoundError):
            text += part.read_bytes()
    return "\n".join(text.decode(errors="replace").splitlines()[-lines:]) if lines > 0 else ""


def _older(path: Path) -> Path:
    return path.with_name(path.name + ".1")
