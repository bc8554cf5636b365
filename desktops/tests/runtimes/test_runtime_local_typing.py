"""Typing into a local desktop: every character that a VNC client sends arrives. All tests use a real Xvnc."""

import time
from collections.abc import Iterator

import pytest

from desktops.tests.support.rfb_client import RfbClient
from desktops.tests.support.runtime_specs import PASSWORD
from desktops.tests.support.terminal_reader import TerminalReader

# Types "a" for each line of input, as a screen keyboard does. Argument: the folder of keycodes.py.
TYPING_PROGRAM = """
import sys; sys.path.insert(0, sys.argv[1])
import keycodes
server = keycodes.XServer()
for _ in sys.stdin:
    for press_or_release in (2, 3):
        server.fake_key(press_or_release, 38, 0)
    server.mapping()  # the answer shows that the keys have arrived
    print(flush=True)
"""
SCRIPTS = "жωא한ก字ض"


@pytest.fixture
def desktop(harness):
    return harness.run()


@pytest.fixture
def client(harness, desktop) -> Iterator[RfbClient]:
    harness.program(desktop.name, "python3")  # session/keycodes.py
    with RfbClient(harness.runtime.observe(desktop.name).endpoint.address, PASSWORD) as client:
        yield client


@pytest.fixture
def terminal(harness, desktop, client) -> TerminalReader:
    return TerminalReader(harness, desktop, client)


def test_the_first_key_of_a_new_desktop_arrives(client, terminal):
    client.type(f"{SCRIPTS}\n")
    assert terminal.typed("\r") == f"{SCRIPTS}\r"


def test_the_first_key_after_a_program_has_typed_arrives(harness, client, terminal):
    program = terminal.start("python3", "-c", TYPING_PROGRAM, str(next(harness.root.glob("session-*"))))
    with program:
        for letter in SCRIPTS:
            print(file=program.stdin, flush=True)
            program.stdout.readline()
            assert terminal.typed("a") == "a"
            time.sleep(0.3)  # keycodes.py waits until the program has stopped typing
            client.type(f"{letter}\n")
            assert terminal.typed("\r") == f"{letter}\r"
        program.stdin.close()


def test_characters_of_any_script_find_a_key_code(harness, desktop, client, terminal):
    for layout, first in (("us,ru", 0xAC00), ("us", 0xAC00 + 150)):
        text = "".join(map(chr, range(first, first + 150))) + "\U0001f600\n"
        for character in text:
            client.type(character)
            time.sleep(0.02)
        assert terminal.typed("\r") == text.replace("\n", "\r")  # a program that reads later finds the new layout
        terminal.start("setxkbmap", layout).wait()  # the user selects another layout in the desktop
    log = harness.place(desktop.name).log.read_text()
    assert "Failure adding new keysym" not in log
    assert "Traceback" not in log
