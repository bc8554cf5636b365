"""`./podesk run` for real: first run, a second one beside it, killed parts, stopping, next run; and what it refuses."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

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


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Not pytest's own, which is closed to the account of desktops."""
    with tempfile.TemporaryDirectory(prefix="podesk front door ", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture(scope="module")
def portal(folder: Path) -> Iterator[Portal]:
    with running(folder / "data") as started:
        yield started


def test_prints_the_address_when_it_answers_and_a_password_that_works(portal):
    assert f"Podesk is ready: http://127.0.0.1:{portal.port}" in portal.printed
    assert portal.ready()
    check = f"from accounts.models import User; print(User.objects.get().check_password('{portal.password}'))"
    said = podesk("manage", "--data", str(portal.data), "shell", "-c", check)
    assert said.stdout.split()[-1] == "True", said


def test_password_is_in_no_log(portal):
    logs = "".join(path.read_text() for path in (portal.data / "logs").iterdir())
    assert portal.password
    assert portal.password not in logs


def test_files_are_closed_to_the_account_of_desktops(portal):
    private = [portal.data / "podesk.sqlite3", portal.data / "logs", portal.data / "secrets", portal.data / "redis"]
    assert {path.name for path in private if path.stat().st_mode & 0o077} == set()


def test_redis_listens_on_no_network(portal):
    assert portal.part("redis-server").net_connections(kind="inet") == []


def test_second_run_on_the_same_data_is_refused(portal):
    said = podesk("run", "--data", str(portal.data), "--port", str(free_port()))
    assert said.returncode == 1
    assert said.stderr.startswith(f"podesk: Podesk is already running on {portal.data} (process {portal.process.pid})")
    assert portal.ready()


@pytest.mark.parametrize("word", ["redis-server", "rqworker", "run_controller", "uvicorn"])
def test_killed_part_comes_back(portal, word):
    wait_for(lambda: portal.part(word))
    before = portal.part(word)
    before.kill()
    wait_for(lambda: (now := portal.part(word)) and now.pid != before.pid)
    wait_for(portal.ready)


def test_stops_all_and_the_next_run_keeps_all(folder):
    data = folder / "twice"
    with running(data) as first:
        children = psutil.Process(first.process.pid).children(recursive=True)
        first.process.send_signal(signal.SIGINT)
        assert first.process.wait(40) == 0
        assert [child for child in children if child.is_running()] == []
        assert f"Your data is in {data}" in first.printed
    secrets = {path.name: path.read_text() for path in (data / "secrets").iterdir()}
    with running(data) as second:
        assert first.password
        assert not second.password
        check = "from accounts.models import User; print(User.objects.count())"
        assert podesk("manage", "--data", str(data), "shell", "-c", check).stdout.split()[-1] == "1"
    assert {path.name: path.read_text() for path in (data / "secrets").iterdir()} == secrets


def test_taken_port_is_one_sentence(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = podesk("run", "--data", str(tmp_path / "data"), "--port", str(port))
    assert said.returncode == 1
    assert said.stderr == (
        f"podesk: Podesk cannot listen on 127.0.0.1 port {port}: Address already in use. "
        "Choose another with --port or --host.\n"
    )


def test_unusable_data_folder_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    said = podesk("run", "--data", str(tmp_path / "file/data"))
    assert said.returncode == 1
    assert said.stderr.startswith(f"podesk: The data folder {tmp_path}/file/data cannot be used: Not a directory.")
    assert said.stderr.count("\n") == 1


def test_too_long_data_folder_is_one_sentence(tmp_path):
    said = podesk("run", "--data", str(tmp_path / ("long" * 30)))
    assert said.returncode == 1
    assert "is too long for a UNIX socket" in said.stderr


@pytest.mark.parametrize("port", ["0", "65536", "eighty", "-1", "²"])
def test_nonsense_port_is_refused(port):
    said = podesk("run", f"--port={port}")
    assert said.returncode == 2
    assert f"{port} is not a port; choose 1 to 65535" in said.stderr


def test_manage_before_the_first_run_says_what_to_do(tmp_path):
    said = podesk("manage", "--data", str(tmp_path), "check")
    assert said.returncode == 1
    assert said.stderr.startswith(f"podesk: Nothing is set up in {tmp_path} yet.")
