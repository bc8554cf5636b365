"""The whole of Podesk, as `./podesk run` starts it, for tests that look at it from outside."""

import http.client
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from frontdoor.place import CHECKOUT

# What the tests' own environment sets for Django, and a person at a terminal does not have.
OURS = {
    *("DATA_DIR", "REDIS_URL", "DATABASE_URL", "SECRET_KEY", "SECRETS_KEYS", "TOKEN_SIGNING_KEY", "PUBLIC_URL"),
    *("DEBUG", "LOCAL_RUNTIME_ALLOWED", "INSTALLATION_ID", "LOG_FORMAT", "DJANGO_SETTINGS_MODULE"),
}


def persons_environment() -> dict[str, str]:
    # Static files are the same for all data folders here; collecting them once saves ten seconds each.
    return {
        **{name: value for name, value in os.environ.items() if name not in OURS},
        "STATIC_ROOT": str(CHECKOUT / "var/test-static"),
    }


def podesk(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "podesk", *arguments],
        cwd=CHECKOUT,
        env=persons_environment(),
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


def wait_for(condition: Callable[[], object], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "did not happen in time"
        time.sleep(0.1)


class Portal:
    """A running `./podesk run`."""

    def __init__(self, data: Path, port: int) -> None:
        self.data, self.port = data, port
        self._output = data.parent / f"output-{port}.txt"
        with self._output.open("w") as sink:
            self.process = subprocess.Popen(
                [sys.executable, "podesk", "run", "--data", str(data), "--port", str(port)],
                cwd=CHECKOUT,
                env=persons_environment(),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
            )
        wait_for(lambda: "Podesk is ready" in self.printed or self.process.poll() is not None, 180)
        assert self.process.poll() is None, self.printed

    @property
    def printed(self) -> str:
        return self._output.read_text()

    @property
    def password(self) -> str:
        found = re.search(r"Password:\s+(\S+)", self.printed)
        return found[1] if found else ""

    def part(self, word: str) -> psutil.Process | None:
        """The child whose command line holds the word."""
        for child in psutil.Process(self.process.pid).children():
            try:
                if word in " ".join(child.cmdline()):
                    return child
            except psutil.NoSuchProcess:
                pass
        return None

    def ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


@contextmanager
def running(data: Path) -> Iterator[Portal]:
    portal = Portal(data, free_port())
    try:
        yield portal
    finally:
        portal.process.terminate()
        portal.process.wait(60)
