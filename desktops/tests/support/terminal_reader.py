"""A terminal in a local desktop that writes what is typed into it to a file, byte by byte."""

import subprocess

from desktops.runtimes.base import DesktopSpec
from desktops.tests.support.rfb_client import RfbClient, panel_drawn
from desktops.tests.support.runtime_specs import LocalHarness, until

FOCUS, BLUR = "\x1b[I", "\x1b[O"  # a terminal in mode 1004 sends these when it gets and loses the keyboard focus
READER = r"""
import os, tty
tty.setraw(0)
os.write(1, b"\x1b[?1004h")
with open("typed", "wb", 0) as file:
    while data := os.read(0, 4096):
        file.write(data)
"""


class TerminalReader:
    """Opens the terminal without any key, and focuses it with the pointer."""

    def __init__(self, harness: LocalHarness, spec: DesktopSpec, client: RfbClient) -> None:
        self._harness, self._spec = harness, spec
        self._file, self._read = harness.home(spec) / "typed", 0
        # The panel appears when the window manager runs. Windows that are older lose keys when it takes them over.
        until(lambda: panel_drawn(client), what="the panel")
        self.start("xfce4-terminal", "--maximize", "--execute", "python3", "-c", READER)
        until(self._file.exists, what="the terminal")
        until(lambda: self._focused(client), what="the focus", every=0.3)
        self._read = self._file.stat().st_size

    def _focused(self, client: RfbClient) -> bool:
        client.click(client.width // 2, client.height // 2)
        return self._file.read_text().endswith(FOCUS)

    def start(self, *command: str) -> "subprocess.Popen[str]":
        """Start a program in the desktop's session."""
        session = self._harness.program(self._spec.name, "xfwm4")
        user, group, home = session.uids().real, session.gids().real, self._file.parent
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, env=session.environ(), user=user, group=group, cwd=home, stdin=pipe, stdout=pipe, text=True
        )

    def typed(self, end: str, *, seconds: float = 60) -> str:
        """Return what was typed since the last call when it ends with this text. Fail if it never does."""
        seen: list[bytes] = []

        def ended() -> bool:
            seen[:] = [self._file.read_bytes()[self._read :]]
            return seen[0].endswith(end.encode())

        until(ended, what=f"{end!r}", seconds=seconds, seen=seen)
        self._read += len(seen[0])
        return seen[0].decode().replace(FOCUS, "").replace(BLUR, "")
