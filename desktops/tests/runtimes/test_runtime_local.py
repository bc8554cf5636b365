"""How long a desktop, its holder and its starter run, and what a crash leaves. All tests use a real Xvnc."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from typing import Any

import psutil
import pytest

from desktops.runtimes.base import Phase, RuntimeFault
from desktops.runtimes.local import desktop_files, processes
from desktops.runtimes.local.local_runtime import LocalRuntime
from desktops.runtimes.local.processes import Process
from desktops.tests.support.rfb_client import RfbClient, panel_drawn
from desktops.tests.support.runtime_specs import ACCOUNT, PASSWORD, soon, until

STARTER = """
import sys, pickle
from desktops.runtimes.base import Deadline
runtime, spec = pickle.load(sys.stdin.buffer)
print("begin", flush=True)
runtime.start(spec, deadline=Deadline.after(10))
print("started", flush=True)
sys.stdin.read()
"""


def starter(harness, spec, code: str = STARTER) -> Any:
    """Start the desktop in another process, as a worker does, with its own terminal session."""
    process: Any = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    process.stdin.write(pickle.dumps((harness.runtime, spec)))
    process.stdin.flush()
    assert process.stdout.readline() == b"begin\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGKILL])
def test_desktop_outlives_the_process_that_started_it(harness, number):
    spec = harness.spec()
    with starter(harness, spec) as process:
        assert process.stdout.readline() == b"started\n"
        os.killpg(process.pid, number)  # such as Ctrl-C in the terminal
        process.stdin.close()
        process.wait(5)
    harness.wait(spec.name, Phase.READY)
    assert LocalRuntime(harness.root, installation=harness.installation, user=ACCOUNT).observe(spec.name)


def test_a_starter_killed_at_any_moment_leaves_what_the_next_start_completes(harness):
    for milliseconds in (0, 5, 12, 30, 80):
        spec = harness.spec()
        with starter(harness, spec) as process:
            time.sleep(milliseconds / 1000)
            process.kill()
        harness.runtime.start(spec, deadline=soon())
        harness.wait(spec.name, Phase.READY)
        assert len(harness.programs(spec.name, "Xvnc")) == 1
        harness.runtime.stop(spec.name, deadline=soon())
        harness.wait(spec.name, None)


def test_a_starter_killed_with_all_but_the_holder_made_counts_as_not_there(harness):
    """Otherwise the portal would wait for it and would not queue its start again."""
    spec = harness.spec()
    killed = STARTER.replace(
        "runtime.start", "runtime._launcher.launch = lambda *_: os.kill(os.getpid(), 9)\nruntime.start"
    )
    with starter(harness, spec, f"import os\n{killed}") as process:
        process.wait(10)
    assert desktop_files.read(desktop_files.DesktopFolder(harness.root, spec.name))
    assert harness.runtime.observe(spec.name) is None
    assert harness.runtime.list() == []
    harness.runtime.start(spec, deadline=soon())
    harness.wait(spec.name, Phase.READY)


def test_many_starts_at_once_are_one_desktop(harness):
    spec, faults = harness.spec(), []
    together = threading.Barrier(8)

    def start():
        together.wait()
        try:
            harness.runtime.start(spec, deadline=soon())
        except RuntimeFault as fault:
            faults.append(fault)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    harness.wait(spec.name, Phase.READY)
    assert not faults
    assert len(harness.programs(spec.name, "Xvnc")) == 1


def test_a_killed_holder_is_a_crash_that_leaves_nothing(harness):
    spec = harness.run()
    leftover = harness.processes(spec.name)
    harness.holder(spec.name).kill()
    crashed = harness.wait(spec.name, Phase.FAILED)
    assert (crashed.reason, crashed.endpoint) == ("session_crashed", None)
    assert harness.runtime.list() == [crashed]
    assert harness.runtime.usage(spec.name) is None
    harness.runtime.stop(spec.name, deadline=soon())
    assert harness.runtime.observe(spec.name) is None
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in leftover)


def test_leftovers_end_before_a_new_run(harness):
    spec = harness.run()
    name, _, value = harness.place(spec.name).marker.partition("=")
    with subprocess.Popen(["sleep", "600"], env={name: value}, start_new_session=True) as left:
        harness.holder(spec.name).kill()
        harness.wait(spec.name, Phase.FAILED)
        harness.run(desktop_id=spec.desktop_id, run=2)
        assert left.wait(1) == -signal.SIGKILL


def test_a_holder_killed_while_it_stops_is_forgotten_all_the_same(harness):
    spec = harness.run()
    harness.holder(spec.name).suspend()
    harness.runtime.stop(spec.name, deadline=soon())
    assert harness.runtime.observe(spec.name).phase is Phase.STOPPING
    harness.holder(spec.name).kill()
    until(lambda: harness.runtime.observe(spec.name) is None, what="its end")
    assert harness.runtime.list() == []
    assert not harness.place(spec.name).folder.exists()
    assert not harness.processes(spec.name)


def test_a_start_while_the_run_before_is_being_forgotten(harness):
    """Deleting many files is slow. It must not delete those of the next run, which have the same names."""
    spec = harness.spec()
    for run in (1, 2, 3):
        this = replace(spec, run=run)
        harness.runtime.start(this, deadline=soon())
        harness.wait(spec.name, Phase.READY)
        for number in range(10_000):
            (harness.root / "desktops" / spec.name / f"{number}").touch()
        harness.runtime.stop(spec.name, deadline=soon())
    harness.wait(spec.name, None)


def test_a_holder_that_hangs_is_killed_by_a_later_stop(harness):
    spec = harness.run()
    harness.holder(spec.name).suspend()
    harness.runtime.stop(spec.name, deadline=soon())
    long_ago = time.time() - 60
    os.utime(harness.place(spec.name).stop, (long_ago, long_ago))
    harness.runtime.stop(spec.name, deadline=soon())
    until(lambda: not harness.runtime.list(), what="its end")
    assert not harness.place(spec.name).folder.exists()


def test_a_pid_alone_is_no_identity(harness):
    spec = harness.run()
    harness.holder(spec.name).kill()
    harness.wait(spec.name, Phase.FAILED)
    with subprocess.Popen(["sleep", "600"]) as stranger:
        other = Process(stranger.pid, 1)
        desktop_files.write(harness.place(spec.name), harness.state(spec.name)._replace(holder=other))
        assert not processes.send(other, signal.SIGKILL)
        harness.runtime.stop(spec.name, deadline=soon())
        assert stranger.poll() is None
        assert (same := processes.find(stranger.pid))
        assert processes.send(same, signal.SIGKILL)
    assert not processes.send(same, signal.SIGKILL)


def crash(harness, name: str, program: str, signal_number: int = signal.SIGKILL) -> None:
    """Kill the program, and wait until the session has restarted."""
    before, process = harness.state(name).restarts, harness.program(name, program)
    process.send_signal(signal_number)
    until(lambda: harness.state(name).restarts == before + 1, what="another start")
    harness.wait(name, Phase.READY)


def test_a_crashed_x_server_is_reported_and_the_session_started_again(harness):
    spec = harness.run()
    old = {process.pid for process in harness.processes(spec.name)}
    crash(harness, spec.name, "Xvnc")
    seen = harness.runtime.observe(spec.name)
    assert (seen.reason, seen.restarts, tuple(seen.steps)) == ("screen_crashed", 1, harness.runtime.steps)
    assert "X server ended with -9" in seen.detail
    with RfbClient(seen.endpoint.address, PASSWORD) as client:
        until(lambda: panel_drawn(client), what="the panel")
    assert not old & {process.pid for process in harness.processes(spec.name)}


def test_a_crashed_session_is_reported_and_started_again(harness):
    spec = harness.run()
    session = psutil.Process(int(harness.program(spec.name, "xfwm4").environ()["PODESK_SESSION"]))
    session.kill()
    until(lambda: harness.state(spec.name).restarts == 1, what="another start")
    seen = harness.wait(spec.name, Phase.READY)
    assert (seen.reason, "session ended with" in seen.detail) == ("session_crashed", True)
    harness.program(spec.name, "xfce4-panel")


def test_an_x_server_that_crashes_again_and_again_is_given_up(harness):
    spec = harness.run()
    for _ in range(3):
        crash(harness, spec.name, "Xvnc")
    harness.program(spec.name, "Xvnc").kill()
    failed = harness.wait(spec.name, Phase.FAILED)
    assert (failed.reason, "X server ended with -9" in failed.detail) == ("screen_crashed", True)
    assert not harness.processes(spec.name)
    harness.run(desktop_id=spec.desktop_id, run=2)


def test_a_desktop_can_be_stopped_while_it_starts_again(harness):
    spec = harness.run()
    harness.program(spec.name, "Xvnc").kill()
    until(lambda: harness.state(spec.name).restarts, what="another start")
    harness.runtime.stop(spec.name, deadline=soon())
    harness.wait(spec.name, None)
    assert not harness.processes(spec.name)


def test_a_part_of_the_desktop_that_dies_comes_back(harness):
    spec = harness.run()
    first = harness.program(spec.name, "xfwm4")
    first.kill()
    until(lambda: set(harness.programs(spec.name, "xfwm4")) - {first}, what="another window manager")
    assert harness.runtime.observe(spec.name).phase is Phase.READY


def test_stop_lets_programs_save_and_then_kills(harness):
    spec = harness.run()
    stubborn = harness.program(spec.name, "xfwm4")
    stubborn.suspend()
    began = time.monotonic()
    harness.runtime.stop(spec.name, deadline=soon())
    assert time.monotonic() - began < 0.5
    harness.wait(spec.name, None)
    assert not stubborn.is_running()
    assert time.monotonic() - began < 6


def test_storage_space_is_that_of_the_disk_with_the_home_folders(harness):
    space = harness.runtime.storage_space()
    disk = os.statvfs(harness.runtime.root)
    assert (space.used + space.free) <= disk.f_blocks * disk.f_frsize
    assert space.free > 0 < space.used


def test_capacity_is_that_of_this_machine(harness):
    found = harness.runtime.capacity()
    assert (found.machines, found.cpu) == (1, os.cpu_count())
    assert found.memory_mib == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**20


def test_storage_space_before_the_first_desktop(tmp_path):
    assert LocalRuntime(tmp_path / "none", installation="podesk", user="podesk").storage_space() is None
