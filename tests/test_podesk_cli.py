"""`./podesk run` for real: first run, a second one at once, killed parts, stopping, next run, and refusals."""

import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.running_podesk import Portal, free_port, podesk, running, wait_for

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Return a folder that the account that runs desktops can enter, unlike pytest's own."""
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
    assert " ended (" not in portal.printed, "a part did not stay up"
    check = f"from accounts.models import User; print(User.objects.get().check_password('{portal.password}'))"
    said = portal.manage("shell", "-c", check)
    assert said.stdout.split()[-1] == "True", said


def test_says_whether_limits_are_enforced(portal):
    wait_for(lambda: "CPU and memory limits of desktops are " in portal.printed)


def test_password_is_in_no_log(portal):
    logs = "".join(path.read_text() for path in (portal.data / "logs").iterdir())
    assert portal.password
    assert portal.password not in logs


def test_files_are_closed_to_the_account_of_desktops(portal):
    private = [portal.data / "podesk.sqlite3", portal.data / "logs", portal.data / "secrets", portal.data / "redis"]
    assert {path.name for path in private if path.exists() and path.stat().st_mode & 0o077} == set()


def test_redis_listens_on_no_network(portal):
    assert portal.part("redis-server").net_connections(kind="inet") == []


def test_second_run_on_the_same_data_is_refused(portal):
    said = podesk("run", "--data", str(portal.data), "--port", str(free_port()))
    assert said.returncode == 1
    assert said.stderr.startswith(f"podesk: Podesk is already running on {portal.data} (process {portal.process.pid})")
    assert portal.ready()


@pytest.mark.parametrize("word", ["redis-server", "rqworker", "run_controller", "portal.server"])
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
        assert second.manage("shell", "-c", check).stdout.split()[-1] == "1"
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


def test_unreadable_file_of_a_setting_is_one_sentence(tmp_path):
    said = podesk("run", "--data", str(tmp_path / "data"), PUBLIC_URL_FILE="/nope")
    assert said.returncode == 1
    assert said.stderr == "podesk: PUBLIC_URL_FILE names /nope, which cannot be read: No such file or directory.\n"


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
    assert said.stderr.startswith(f"podesk: Podesk is not set up in {tmp_path}.")
