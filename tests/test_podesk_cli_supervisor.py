"""The supervisor restarts programs that end, stops all in order, and ends them when it is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from podesk_cli.folders import CHECKOUT
from podesk_cli.supervisor import Service, Supervisor

pytestmark = pytest.mark.once

# Two or three services under the real supervisor. Each writes a line when it starts and when it is asked to stop.
PROGRAM = """
import signal, sys, time
from pathlib import Path
from podesk_cli.folders import CHECKOUT
from podesk_cli.supervisor import Interrupted, Service, Supervisor, interruptible
folder = Path(sys.argv[1])
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # also where the tests run under nohup
script = '''
import signal, sys, time
def leave(*_):
    print("stopped", time.monotonic(), flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("[info     ] started", flush=True)
while True:
    time.sleep(60)
'''
deaf = '''
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("started", flush=True)
time.sleep(600)
'''
services = [Service("first", [sys.executable, "-c", script]), Service("second", [sys.executable, "-c", script])]
services += [Service("deaf", [sys.executable, "-c", deaf], stop_seconds=0.2)] * ("deaf" in sys.argv)
supervisor = Supervisor(services, environment={}, directory=folder, logs=folder)
with interruptible():
    try:
        for service in services:
            supervisor.start(service.name)
        while True:
            supervisor.restart_ended()
            time.sleep(0.05)
    except Interrupted:
        pass
    finally:
        supervisor.stop()
"""


def wait_for(condition: Callable[[], object], seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "did not happen in time"
        time.sleep(0.02)


class Supervised:
    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(folder), *options],
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            text=True,
        )
        wait_for(lambda: all("started" in self.log(name) for name in ("first", "second", *options)))
        self.children = psutil.Process(self.process.pid).children()

    def log(self, name: str) -> str:
        path = self.folder / f"{name}.log"
        return path.read_text() if path.exists() else ""


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Callable[..., Supervised]]:
    made: list[Supervised] = []

    def start(*options: str) -> Supervised:
        made.append(Supervised(tmp_path, *options))
        return made[-1]

    yield start
    for each in made:
        each.process.kill()
        each.process.communicate()


def test_killed_program_is_started_again_and_its_log_is_named(supervised, tmp_path):
    """Its last lines report normal work, so they are not printed."""
    watched = supervised()
    watched.children[0].send_signal(signal.SIGKILL)
    wait_for(lambda: watched.log("first").count("started") == 2)
    watched.process.terminate()
    printed = watched.process.communicate(timeout=10)[0]
    assert printed == f"first ended (killed by SIGKILL); starting it again in 1 s.\nIts log is {tmp_path}/first.log.\n"


@pytest.mark.parametrize(
    "ordinary",
    [
        "2026-11-28T22:22:18.431Z [info     ] request   [podesk.requests] path=/ status=200",
        '{"event": "request", "level": "info", "path": "/errors"}',
        "3571:M 28 Nov 2026 22:22:11.123 * Ready to accept connections unix",
    ],
)
@pytest.mark.parametrize("reason", ["TOKEN_LIFETIME is '1'; expected a whole number, 60 or more.", ""])
def test_end_of_the_log_is_printed_if_it_says_why(tmp_path, capsys, ordinary, reason):
    (tmp_path / "broken.log").write_text("RuntimeError: of an earlier run\n")
    broken = Service("broken", ["sh", "-c", 'printf "%s\n" "$@"; exit 1', "sh", ordinary, *filter(None, [reason])])
    supervisor = Supervisor([broken], environment={}, directory=tmp_path, logs=tmp_path)
    supervisor.start("broken")
    printed = ""
    while "ended" not in printed:
        supervisor.restart_ended()
        printed += capsys.readouterr().out
    supervisor.stop()
    assert reason in printed
    assert (ordinary in printed) == bool(reason)
    assert ("Its log is " in printed) == (not reason)
    assert "earlier run" not in printed


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_stops_all_in_reverse_order(supervised, asked):
    watched = supervised()
    watched.process.send_signal(asked)
    assert watched.process.wait(10) == 0
    times = [float(watched.log(name).split()[-1]) for name in ("second", "first")]
    assert times == sorted(times)
    assert not any(child.is_running() for child in watched.children)


def test_program_that_ignores_sigterm_is_killed_in_time(supervised):
    watched = supervised("deaf")
    watched.process.terminate()
    assert watched.process.wait(5) == 0
    assert not any(child.is_running() for child in watched.children)


def has_ended(process: psutil.Process) -> bool:
    """Return whether the process has ended. A zombie has, because process 1 of a container may not reap it."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_killed_supervisor_leaves_nothing_behind(supervised):
    watched = supervised("deaf")
    watched.process.kill()
    assert len(watched.children) == 3
    wait_for(lambda: all(has_ended(child) for child in watched.children), 5)


def test_keyboard_of_the_terminal_does_not_reach_the_programs(supervised):
    watched = supervised()
    assert all(os.getsid(child.pid) == child.pid for child in watched.children)


def test_failing_program_waits_longer_each_time(tmp_path, capsys):
    supervisor = Supervisor([Service("broken", ["false"])], environment={}, directory=tmp_path, logs=tmp_path)
    supervisor.start("broken")
    until = time.monotonic() + 4
    while time.monotonic() < until:
        supervisor.restart_ended()
        time.sleep(0.05)
    supervisor.stop()
    assert [line[-4:] for line in capsys.readouterr().out.splitlines() if "ended" in line] == ["1 s.", "2 s.", "4 s."]


def test_long_log_is_cut_under_its_writer(tmp_path, monkeypatch):
    monkeypatch.setattr("podesk_cli.supervisor._LOG_LIMIT", 1000)
    writer = Service("talker", [sys.executable, "-c", "while True: print('word ' * 100, flush=True)"])
    watched = Supervisor([writer], environment={}, directory=tmp_path, logs=tmp_path)
    watched.start("talker")
    log = tmp_path / "talker.log"
    wait_for(lambda: log.stat().st_size > 1_000_000)
    watched.restart_ended()
    older = tmp_path / "talker.log.1"
    wait_for(older.exists)
    assert older.stat().st_size >= 1_000_000
    wait_for(lambda: "word" in log.read_text())
    watched.stop()
    assert "\0" not in log.read_text()  # appended, without a gap
