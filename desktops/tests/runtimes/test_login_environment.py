"""A session has the environment of a login, with any profile. All tests use a real Xvnc."""

import subprocess
import time
from collections.abc import Callable

import pytest

from desktops.runtimes.base import DesktopSpec, Phase
from desktops.runtimes.local import session_commands, unix_account
from desktops.tests.support.rfb_client import RfbClient
from desktops.tests.support.runtime_specs import PASSWORD, soon, until

CONTROL, ALT = 0xFFE3, 0xFFE9


def run_with(harness, profile: str, **programs: str) -> DesktopSpec:
    """Start a desktop with this ~/.profile and these programs in ~/.local/bin."""
    spec = harness.spec()
    home = harness.home(spec)
    home.parent.mkdir()
    unix_account.make_home(home, unix_account.account(harness.runtime.user), session_commands.SESSION / "skel")
    (home / ".profile").write_text(profile)
    for name, text in programs.items():
        program = home / ".local/bin" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(text)
        program.chmod(0o755)
    harness.runtime.start(spec, deadline=soon())
    harness.wait(spec.name, Phase.READY)
    return spec


def of_menus(harness, spec: DesktopSpec) -> dict[str, str]:
    """Return the environment in which the panel starts programs."""
    environment: dict[str, str] = harness.program(spec.name, "xfce4-panel").environ()
    return environment


def type_into_terminal(harness, spec: DesktopSpec, command: str) -> Callable[[], None]:
    """Type a command into the terminal. Return a function that waits until the command has run."""
    client = RfbClient(harness.runtime.observe(spec.name).endpoint.address, PASSWORD)
    harness.program(spec.name, "xfsettingsd")  # it handles shortcuts

    def try_once() -> None:
        if harness.programs(spec.name, "xfce4-terminal"):
            client.click(client.width // 2, client.height // 2)
            client.type(command + "\n")
        else:
            client.key(CONTROL, ALT, ord("t"))
        time.sleep(0.5)

    return try_once


def test_a_terminal_knows_own_programs_and_variables(harness):
    profile = 'export GREETING="good morning"\nPATH="$HOME/.local/bin:$PATH"\n'
    spec = run_with(harness, profile, greet='#!/bin/sh\necho "$GREETING" >~/greeted\n')
    greeted = harness.home(spec) / "greeted"
    try_once = type_into_terminal(harness, spec, "greet")

    def has_greeted() -> bool:
        try_once()
        return greeted.exists() and greeted.read_text() == "good morning\n"

    until(has_greeted, what="the greeting")


def test_so_do_the_menus_from_the_first_start(harness):
    """Debian's ~/.profile adds ~/.local/bin to PATH only if the folder exists."""
    spec = harness.run()
    assert f"{harness.home(spec)}/.local/bin" in of_menus(harness, spec)["PATH"].split(":")


def test_a_profile_cannot_take_from_the_session_what_it_needs(harness):
    spec = run_with(
        harness,
        "export PATH=/opt/mine XDG_DATA_DIRS=/opt/share HOME=/nowhere DISPLAY=:77 XAUTHORITY=/x XDG_RUNTIME_DIR=/x\n"
        "export PODESK_DESKTOP=another 'MANY=two\nlines' UID=0; f() { :; }; export -f f\n",
    )
    environment = of_menus(harness, spec)
    assert environment["PATH"].split(":") == ["/opt/mine", *harness.runtime.path.split(":")]
    assert environment["XDG_DATA_DIRS"].split(":")[0] == "/opt/share"
    assert environment["XDG_DATA_DIRS"].endswith(":/usr/local/share:/usr/share")
    assert environment["HOME"] == str(harness.home(spec))
    assert environment["MANY"] == "two\nlines"
    assert environment["DISPLAY"] != ":77"
    assert harness.place(spec.name).marker == f"PODESK_DESKTOP={environment['PODESK_DESKTOP']}"


def test_nothing_of_the_portal_comes_with_it(harness, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgres://portal:hunter2@db/portal")
    spec = run_with(harness, "env >~/seen; env >/proc/$PPID/fd/2\n")
    of_menus(harness, spec)
    seen = (harness.home(spec) / "seen").read_text() + harness.runtime.logs(spec.name, lines=1000)
    assert "PODESK_DESKTOP=" in seen
    assert "hunter2" not in seen
    assert PASSWORD not in seen


@pytest.mark.parametrize("profile", ["exit 1", "trap '' TERM\nsleep 1000", "exec sleep 1000"])
def test_a_broken_or_hanging_profile_is_left_out_with_a_notice(harness, profile):
    spec = run_with(harness, f"export HALF=done\n{profile}\n")
    assert "HALF" not in of_menus(harness, spec)
    harness.program(spec.name, "xfce4-notifyd")
    assert "the login profile is not used" in harness.runtime.logs(spec.name, lines=1000)


def test_an_error_in_a_profile_leaves_what_came_before(harness):
    spec = run_with(harness, "export HALF=done\nexit 1 (((\n")
    assert of_menus(harness, spec)["HALF"] == "done"


def test_clocks_show_the_time_of_the_person(harness):
    spec = harness.run(time_zone="Asia/Kathmandu")
    environment = of_menus(harness, spec)
    command = ["date", "+%z"]
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert (environment["TZ"], shown) == ("Asia/Kathmandu", "+0545\n")
