"""Run all of Podesk, as `./podesk run` does, for tests from outside."""

import http.client
import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psutil
import psycopg
from cryptography.fernet import Fernet, MultiFernet

from desktops.runtimes.base import Deadline
from desktops.runtimes.local.local_runtime import LocalRuntime
from podesk_cli.folders import CHECKOUT
from tests.support import log_secrets

# Variables that the tests' own environment sets for Django, and that a user at a terminal does not have.
OURS = {
    *("DATA_DIR", "REDIS_URL", "DATABASE_URL", "SECRET_KEY", "SECRETS_KEYS", "TOKEN_SIGNING_KEY", "PUBLIC_URL"),
    *("DEBUG", "LOCAL_RUNTIME_ALLOWED", "INSTALLATION_ID", "LOG_FORMAT", "DJANGO_SETTINGS_MODULE", "DATABASE_COPIES"),
}


def persons_environment() -> dict[str, str]:
    # All data folders share the static files, because collecting them takes ten seconds.
    return {
        **{name: value for name, value in os.environ.items() if name not in OURS},
        "STATIC_ROOT": str(CHECKOUT / "var/test-static"),
    }


def podesk(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "podesk", *arguments],
        cwd=CHECKOUT,
        env=persons_environment() | settings,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition: Callable[[], object], seconds: float = 60, pause: float = 0.1) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "did not happen in time"
        time.sleep(pause)


class Portal:
    """A running `./podesk run`."""

    def __init__(self, data: Path, port: int, settings: dict[str, str]) -> None:
        self.data, self.port, self._settings = data, port, settings
        self.url = f"http://127.0.0.1:{port}"
        self.database = _own_database(data)
        self._output = data.parent / f"output-{port}.txt"
        with self._output.open("w") as sink:
            self.process = subprocess.Popen(
                [sys.executable, "podesk", "run", "--data", str(data), "--port", str(port)],
                cwd=CHECKOUT,
                env=persons_environment() | settings | {"DATABASE_URL": self.database},
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
            )
        wait_for(lambda: "Podesk is ready" in self.printed or self.process.poll() is not None, 180)
        assert self.process.poll() is None, self.printed

    @property
    def printed(self) -> str:
        return self._output.read_text()

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Query the database directly."""
        if self.database.startswith("sqlite"):
            with closing(sqlite3.connect(self.data / "podesk.sqlite3", timeout=20)) as connection:
                return connection.execute(sql).fetchall()
        with psycopg.connect(self.database) as connection:
            return connection.execute(sql.encode()).fetchall()

    @property
    def password(self) -> str:
        found = re.search(r"Password:\s+(\S+)", self.printed)
        return found[1] if found else ""

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `./podesk manage …` with the same data and settings."""
        settings = self._settings | {"DATABASE_URL": self.database}
        return podesk("manage", "--data", str(self.data), *arguments, **settings)

    def part(self, word: str) -> psutil.Process | None:
        """Return the child process whose command line contains the word."""
        for child in psutil.Process(self.process.pid).children():
            try:
                if word in " ".join(child.cmdline()):
                    return child
            except psutil.NoSuchProcess:
                pass
        return None

    def kill(self, word: str) -> None:
        """Kill a part and everything that it has started, including a worker's job."""
        process = self.part(word)
        assert process
        for each in [*process.children(recursive=True), process]:
            with suppress(psutil.NoSuchProcess):  # it has just ended
                each.kill()

    def ready(self) -> bool:
        """Return whether the portal is ready and has Redis. The web server is ready without it too."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            said = json.load(connection.getresponse())
            return said["ready"] and said["redis"] == "ok"
        except (OSError, ValueError):
            return False
        finally:
            connection.close()


def _own_database(data: Path) -> str:
    """Return the address of a separate database for this portal, on the tests' PostgreSQL server or else SQLite."""
    server = os.environ.get("DATABASE_URL", "")
    if not server.startswith("postgres"):
        return f"sqlite:///{data}/podesk.sqlite3"
    name = f"whole_{sha256(str(data).encode()).hexdigest()[:12]}"  # the next run with this folder uses it again
    with psycopg.connect(server, autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            connection.execute(f"CREATE DATABASE {name}".encode())
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))


@contextmanager
def running(data: Path, **settings: str) -> Iterator[Portal]:
    portal = Portal(data, free_port(), settings)
    try:
        yield portal
    finally:
        portal.process.terminate()
        portal.process.wait(60)
        _keep_secrets_out_of_logs(portal)
        _end_desktops(data)


def _keep_secrets_out_of_logs(portal: Portal) -> None:
    """Fail the run if a password was logged. Only the terminal may show the first password, where it is announced."""
    keys = (portal.data / "secrets/SECRETS_KEYS").read_text().split(",")
    box = MultiFernet([Fernet(key.strip()) for key in keys])
    for (sealed,) in portal.query("SELECT vnc_password_sealed FROM desktops_desktop WHERE vnc_password_sealed <> ''"):
        log_secrets.keep_out(box.decrypt(sealed).decode())
    log_secrets.keep_out(portal.password)
    log_secrets.hear("terminal", re.sub(r"Password:\s+\S+", "", portal.printed))
    log_secrets.read(*portal.data.rglob("*.log"))


def _end_desktops(data: Path) -> None:
    """Stop the desktops: they keep running without the portal, and no later test would stop them."""
    runtime = LocalRuntime(data / "local", installation="podesk")
    until = time.monotonic() + 20
    while (left := runtime.list()) and time.monotonic() < until:
        for seen in left:
            runtime.stop(seen.name, deadline=Deadline.after(5))
        time.sleep(0.1)
