"""The portal's real server in a separate process, with the database of the tests."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psutil
from django.db import connection

from tests.support import log_secrets

COMMAND = ["-m", "portal.server"]
DAPHNE = ["-m", "daphne", "portal.asgi:application"]


class Server:
    def __init__(self, port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.port, self.process, self._log = port, process, log

    def url(self, path: str) -> str:
        return f"ws://127.0.0.1:{self.port}{path}"

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def memory(self) -> int:
        """Return the bytes of memory that the process does not share."""
        return int(psutil.Process(self.process.pid).memory_full_info().uss)


@contextlib.contextmanager
def running(folder: Path, command: list[str] = COMMAND, **environment: str) -> Iterator[Server]:
    port = _free_port()
    log = folder / f"server-{port}.log"
    address = ["--port", str(port)] + (["-b", "127.0.0.1"] if command is DAPHNE else ["--host", "127.0.0.1"])
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command, *address], stdout=output, stderr=output, env=os.environ | _own() | environment
        )
    try:
        _wait_for(port, process, log)
        yield Server(port, process, log)
    finally:
        process.kill()
        process.wait()
        log_secrets.read(log)


def _own() -> dict[str, str]:
    return {"DATABASE_URL": _database_url(), "ALLOWED_HOSTS": "127.0.0.1", "PYTHONWARNINGS": "ignore"}


def _database_url() -> str:
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{database['NAME']}"
    host = quote(database["HOST"], safe="")  # can be the folder of a Unix socket
    address = f"{host}:{database['PORT']}" if database["PORT"] else host
    return f"postgres://{database['USER']}:{database['PASSWORD']}@{address}/{database['NAME']}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(400):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(f"the server did not answer:\n{log.read_text()[-3000:]}")
