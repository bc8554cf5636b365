"""What is special about the local runtime: processes, locks, sockets, secrets, faults. Real Xvnc throughout."""

import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from desktops.runtimes import local_desktop, local_limits, local_processes, local_state
from desktops.runtimes.base import Phase, RuntimeFault
from desktops.runtimes.local import PATH, LocalRuntime
from desktops.runtimes.local_log import LIMIT, Log, tail
from desktops.runtimes.local_processes import Process
from desktops.tests.rfb_client import EXTENDED_CLIPBOARD, RfbClient, colours
from desktops.tests.runtimes.house import ACCOUNT, PASSWORD, soon, until

STARTER = """
import sys, pickle
from desktops.runtimes.base import Deadline
runtime, spec = pickle.load(sys.stdin.buffer)
print("begin", flush=True)
runtime.start(spec, deadline=Deadline.after(10))
print("started", flush=True)
sys.stdin.read()
"""


def starter(house, spec) -> subprocess.Popen[bytes]:
    """Another process that starts the desktop, as a worker does; in a terminal session of its own."""
    process = subprocess.Popen(
        [sys.executable, "-c", STARTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    process.stdin.write(pickle.dumps((house.runtime, spec)))
    process.stdin.flush()
    assert process.stdout.readline() == b"begin\n"
    return process


# --- who lives how long


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGKILL])
def test_a_desktop_survives_whoever_started_it(house, number):
    spec = house.spec()
    with starter(house, spec) as process:
        assert process.stdout.readline() == b"started\n"
        os.killpg(process.pid, number)  # as Ctrl-C on the terminal, and worse
        process.stdin.close()
        process.wait(5)
    house.wait(spec.name, Phase.READY)
    assert LocalRuntime(house.root, installation=house.installation, user=ACCOUNT).observe(spec.name)


def test_a_starter_killed_at_any_moment_leaves_what_the_next_start_completes(house):
    for milliseconds in (0, 3, 6, 10, 15, 25, 40, 80):
        spec = house.spec()
        with starter(house, spec) as process:
            time.sleep(milliseconds / 1000)
            process.kill()
        house.runtime.start(spec, deadline=soon())
        house.wait(spec.name, Phase.READY)
        assert len(house.programs(spec.name, "Xvnc")) == 1
        house.runtime.stop(spec.name, deadline=soon())
        house.wait(spec.name, None)


def test_many_starts_at_once_are_one_desktop(house):
    spec, faults = house.spec(), []
    together = threading.Barrier(8)

    def start():
        together.wait()
        try:
            house.runtime.start(spec, deadline=soon())
        except RuntimeFault as fault:
            faults.append(fault)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    house.wait(spec.name, Phase.READY)
    assert not faults
    assert len(house.programs(spec.name, "Xvnc")) == 1


def test_a_killed_holder_is_a_crash_that_leaves_nothing(house):
    spec = house.run()
    leftover = house.processes(spec.name)
    house.holder(spec.name).kill()
    crashed = house.wait(spec.name, Phase.FAILED)
    assert (crashed.reason, crashed.endpoint) == ("session_crashed", None)
    assert house.runtime.list() == [crashed]
    assert house.runtime.usage(spec.name) is None
    house.runtime.stop(spec.name, deadline=soon())
    assert house.runtime.observe(spec.name) is None
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in leftover)


def test_leftovers_end_before_a_new_run(house):
    spec = house.run()
    name, _, value = house.place(spec.name).marker.partition("=")
    with subprocess.Popen(["sleep", "600"], env={name: value}, start_new_session=True) as left:
        house.holder(spec.name).kill()
        house.wait(spec.name, Phase.FAILED)
        house.run(desktop_id=spec.desktop_id, run=2)
        assert left.wait(1) == -signal.SIGKILL


def test_a_holder_killed_while_it_stops_is_forgotten_all_the_same(house):
    spec = house.run()
    house.holder(spec.name).suspend()
    house.runtime.stop(spec.name, deadline=soon())
    assert house.runtime.observe(spec.name).phase is Phase.STOPPING
    house.holder(spec.name).kill()
    until(lambda: house.runtime.observe(spec.name) is None, what="its end")
    assert house.runtime.list() == []
    assert not house.place(spec.name).folder.exists()
    assert not house.processes(spec.name)


def test_a_holder_that_hangs_is_killed_by_a_later_stop(house):
    spec = house.run()
    house.holder(spec.name).suspend()
    house.runtime.stop(spec.name, deadline=soon())
    long_ago = time.time() - 60
    os.utime(house.place(spec.name).stop, (long_ago, long_ago))
    house.runtime.stop(spec.name, deadline=soon())
    until(lambda: not house.runtime.list(), what="its end")
    assert not house.place(spec.name).folder.exists()


def test_a_pid_alone_is_no_identity(house):
    spec = house.run()
    house.holder(spec.name).kill()
    house.wait(spec.name, Phase.FAILED)
    with subprocess.Popen(["sleep", "600"]) as stranger:
        state = house.state(spec.name)._replace(holder=Process(stranger.pid, 1))
        local_state.write(house.place(spec.name), state)
        assert not local_processes.send(state.holder, signal.SIGKILL)
        house.runtime.stop(spec.name, deadline=soon())
        assert stranger.poll() is None
        same = local_processes.find(stranger.pid)
        assert local_processes.send(same, signal.SIGKILL)
    assert not local_processes.send(same, signal.SIGKILL)


def test_an_x_server_killed_from_outside_is_a_crash(house):
    spec = house.run()
    house.program(spec.name, "Xvnc").kill()
    crashed = house.wait(spec.name, Phase.FAILED)
    assert (crashed.reason, "X server ended with -9" in crashed.detail) == ("session_crashed", True)
    assert not house.processes(spec.name)
    house.run(desktop_id=spec.desktop_id, run=2)


def test_a_part_of_the_desktop_that_dies_comes_back(house):
    spec = house.run()
    first = house.program(spec.name, "xfwm4")
    first.kill()
    until(lambda: set(house.programs(spec.name, "xfwm4")) - {first}, what="another window manager")
    assert house.runtime.observe(spec.name).phase is Phase.READY


def test_stop_lets_programs_save_and_then_kills(house):
    spec = house.run()
    stubborn = house.program(spec.name, "xfwm4")
    stubborn.suspend()
    began = time.monotonic()
    house.runtime.stop(spec.name, deadline=soon())
    assert time.monotonic() - began < 0.5
    house.wait(spec.name, None)
    assert not stubborn.is_running()
    assert time.monotonic() - began < 6


# --- what it may reach, and who may reach it


def test_it_listens_on_no_network(house):
    spec = house.run()
    house.program(spec.name, "xfce4-panel")
    listening = [
        connection
        for process in house.processes(spec.name)
        for connection in process.net_connections("inet")
        if connection.status in (psutil.CONN_LISTEN, psutil.CONN_NONE)
    ]
    assert listening == []


def test_only_the_password_opens_it(house):
    spec = house.run()
    path = house.runtime.observe(spec.name).endpoint.address
    assert Path(path).stat().st_mode & 0o777 == 0o600
    for _ in range(10):  # more than a ban would take: everybody comes through the one proxy
        with pytest.raises(ConnectionRefusedError):
            RfbClient(path, "wrong")
    with RfbClient(path, PASSWORD) as client:
        assert (client.width, client.height, client.name) == (800, 600, "Ada")


def test_the_session_knows_no_secret_of_the_portal(house, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgres://portal:hunter2@db/portal")
    spec = house.run()
    until(lambda: len(house.processes(spec.name)) > 6, what="the session")
    for process in (house.holder(spec.name), *house.processes(spec.name)):
        text = Path(f"/proc/{process.pid}/environ").read_text() + Path(f"/proc/{process.pid}/cmdline").read_text()
        assert not [
            name for name in ("hunter2", "SECRET_KEY", "TOKEN_SIGNING_KEY", "REDIS_URL", PASSWORD) if name in text
        ]


def test_secrets_are_for_their_readers_only(house):
    spec = house.run()
    place = house.place(spec.name)
    private = (place.private, place.private / "passwd", place.private / "Xauthority", house.home(spec), place.plan)
    assert [path.stat().st_mode & 0o077 for path in private] == [0] * len(private)
    assert PASSWORD not in "".join(file.read_text() for file in place.folder.iterdir() if file.is_file())


def test_deleting_a_volume_follows_no_link(house):
    spec = house.run()
    outside = house.root / "outside"
    outside.mkdir()
    (outside / "precious").write_text("kept")
    (house.home(spec) / "link").symlink_to(outside)
    house.runtime.stop(spec.name, deadline=soon())
    house.wait(spec.name, None)
    house.runtime.delete_volume(spec.volume, deadline=soon())
    (house.root / "volumes" / "evil").symlink_to(outside)
    house.runtime.delete_volume("evil", deadline=soon())
    assert (outside / "precious").read_text() == "kept"
    assert list((house.root / "volumes").iterdir()) == []


# --- what a person gets


def test_a_desktop_with_a_terminal_to_type_into(house):
    spec = house.run()
    with RfbClient(house.runtime.observe(spec.name).endpoint.address, PASSWORD) as client:
        until(lambda: colours(client.screen()) > 100, what="a picture")
        house.program(spec.name, "xfsettingsd")  # listens for shortcuts

        def terminal() -> bool:
            client.key(0xFFE3, 0xFFE9, ord("t"))  # Ctrl Alt T
            time.sleep(0.5)
            return bool(house.programs(spec.name, "bash"))

        until(terminal, what="a terminal")
        made = house.home(spec) / "made.txt"

        def typed() -> bool:
            client.click(client.width // 2, client.height // 2)  # of several terminals, the last to come may lack focus
            client.type("echo typed > ~/made.txt\n")
            time.sleep(0.5)
            return made.exists() and made.read_text() == "typed\n"

        until(typed, what="the typed file")


def test_the_clipboard_speaks_utf8(house):
    spec = house.run()
    with RfbClient(house.runtime.observe(spec.name).endpoint.address, PASSWORD) as client:
        client.encodings(0, EXTENDED_CLIPBOARD)
        length, body = client.clipboard_message()
        flags = struct.unpack(">I", body[:4])[0]
        assert length < 0, "not the extended clipboard"
        assert flags & 1, "no UTF-8 text"


def test_own_settings_win_over_ours(house):
    spec = house.spec()
    house.runtime.start(spec, deadline=soon())
    house.wait(spec.name, Phase.READY)
    session = next(house.root.glob("session-*"))
    environment = local_state.read_plan(house.place(spec.name)).environment
    assert environment["XDG_CONFIG_DIRS"].split(":") == [str(session / "config"), "/etc/xdg"]
    assert environment["HOME"] == str(house.home(spec))
    assert "XDG_CONFIG_HOME" not in environment
    (house.home(spec) / "Desktop" / "terminal.desktop").unlink()
    house.runtime.stop(spec.name, deadline=soon())
    house.wait(spec.name, None)
    house.run(desktop_id=spec.desktop_id, run=2)
    assert not (house.home(spec) / "Desktop" / "terminal.desktop").exists()


def test_broken_dotfiles_do_not_keep_the_desktop_away(house):
    spec = house.run()
    house.runtime.stop(spec.name, deadline=soon())
    house.wait(spec.name, None)
    home = house.home(spec)
    for file in (".profile", ".bashrc", ".xsession", ".xinitrc", ".Xresources"):
        (home / file).write_text("exit 1 (((\n")
    for channel in ("xfce4-panel", "xfwm4", "xsettings", "xfce4-desktop"):
        file = home / f".config/xfce4/xfconf/xfce-perchannel-xml/{channel}.xml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("<channel this is not XML")
    again = house.run(desktop_id=spec.desktop_id, run=2)
    with RfbClient(house.runtime.observe(again.name).endpoint.address, PASSWORD) as client:
        until(lambda: colours(client.screen()) > 100, what="a picture")


@pytest.mark.parametrize(("code", "language"), [("en", None), ("zh-hans", "zh_CN"), ("xx", None)])
def test_language(code, language):
    found = local_desktop.languages(code)
    assert found.get("LANGUAGE") == language
    assert found["LANG"].upper().replace("-", "").endswith("UTF8")


# --- what goes wrong


def programs_without(house, missing: str) -> str:
    """A folder with all programs of the machine but one."""
    folder = house.root / "bin"
    folder.mkdir()
    for place in reversed(PATH.split(":")):
        for program in Path(place).glob("*"):
            link = folder / program.name
            link.unlink(missing_ok=True)
            link.symlink_to(program)
    (folder / missing).unlink()
    return str(folder)


@pytest.mark.parametrize("missing", ["Xvnc", "xfwm4"])
def test_a_missing_program_is_named(house, missing):
    house.runtime.path = programs_without(house, missing)
    spec = house.spec()
    with pytest.raises(RuntimeFault) as caught:
        house.runtime.start(spec, deadline=soon())
    assert (caught.value.reason, caught.value.detail, caught.value.hopeless) == ("program_missing", missing, True)
    assert house.runtime.list() == []
    house.runtime.path = PATH
    house.run(desktop_id=spec.desktop_id, run=2)


def test_a_session_that_cannot_start_fails_with_what_it_said(house):
    folder = house.root / "bin"
    folder.mkdir()
    for program in local_desktop.PROGRAMS:
        (folder / program).write_text(f"#!/bin/sh\necho {program} says no; exit 3\n")
        (folder / program).chmod(0o755)
    house.runtime.path = f"{folder}:{PATH}"
    spec = house.spec()
    house.runtime.start(spec, deadline=soon())
    failed = house.wait(spec.name, Phase.FAILED)
    assert failed.reason == "start_failed"
    assert "X server ended with 3" in failed.detail
    assert "Xvnc says no" in failed.detail


def test_a_folder_too_deep_for_a_socket_is_refused(house):
    deep = LocalRuntime(house.root / ("x" * 90), installation=house.installation, user=ACCOUNT)
    with pytest.raises(RuntimeFault, match="path_too_long"):
        deep.start(house.spec(), deadline=soon())
    assert deep.list() == []


def test_a_folder_that_is_a_file_is_refused(house):
    (house.root / "file").write_text("")
    with pytest.raises(RuntimeFault, match=r"start_failed|dir_unusable"):
        LocalRuntime(house.root / "file", installation="test", user=ACCOUNT).start(house.spec(), deadline=soon())


@pytest.mark.parametrize("resolution", ["", "800", "800x600; rm", "99999999x1", "-1x600"])
def test_a_resolution_that_is_none_is_refused(house, resolution):
    with pytest.raises(RuntimeFault, match="bad_resolution"):
        house.runtime.start(house.spec(resolution=resolution), deadline=soon())


def test_limits_are_enforced_or_it_is_said_why_not(house):
    why_not = local_limits.hindrance()
    spec = house.spec(memory_mib=24)
    house.runtime.start(spec, deadline=soon())
    if why_not is None:
        failed = house.wait(spec.name, Phase.FAILED)
        assert failed.reason == "out_of_memory"
    else:
        house.wait(spec.name, Phase.READY)
        assert house.runtime.usage(spec.name).memory_limit_mib is None
        assert why_not.endswith(".")


def test_control_groups_go_with_the_desktop(house):
    spec = house.run(cpu=1)
    groups = house.state(spec.name).groups
    assert bool(groups) == (local_limits.hindrance() is None)
    assert local_limits.members(groups) >= ({house.program(spec.name, "Xvnc").pid} if groups else set())
    house.runtime.stop(spec.name, deadline=soon())
    house.wait(spec.name, None)
    assert not [group for group in groups if Path(group).exists() or Path(group).parent.exists()]


def test_the_log_is_bounded(tmp_path):
    log = Log(tmp_path / "log")
    for number in range(3 * LIMIT // 100):
        log.write(f"{number:099d}\n".encode())
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 2 * LIMIT + 200
    assert tail(tmp_path / "log", 1) == f"{number:099d}"


def test_a_password_file_as_other_vnc_programs_write_it():
    assert local_desktop.obfuscated("password").hex() == "dbd83cfd727a1458"


def test_a_watcher_takes_over_from_one_that_was_killed(house):
    house.root.joinpath("events.sock").write_text("stale")
    spec = house.run()
    assert set(house.runtime.watch(timeout=0.2)) == {spec.name}
