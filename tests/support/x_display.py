"""A real X display with a window manager, and a VNC client as its keyboard."""

import os
import re
import secrets
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from desktops.runtimes.local.session_commands import obfuscated
from desktops.tests.support.rfb_client import RfbClient
from tests.support.running_podesk import wait_for

CONTROL = 0xFFE3  # keysym


@dataclass
class Display:
    environment: dict[str, str]
    keyboard: RfbClient

    def wait_for_focus(self) -> None:
        """Wait until a window has the keyboard focus. The keys that arrive before are lost."""
        wait_for(lambda: re.search("# 0x[1-9a-f]", self._root_property("_NET_ACTIVE_WINDOW")))

    def wait_for_manager(self) -> None:
        """Wait for the window manager. A window that opens while the manager starts may never get the focus."""
        wait_for(lambda: "window id #" in self._root_property("_NET_SUPPORTING_WM_CHECK"))

    def _root_property(self, name: str) -> str:
        command = ["xprop", "-root", name]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True).stdout


@contextmanager
def x_display(width: int = 1440, height: int = 900) -> Iterator[Display]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, ExitStack() as stack:
        path, secret, password = Path(folder) / "rfb", Path(folder) / "passwd", secrets.token_urlsafe(6)
        secret.write_bytes(obfuscated(password))
        number = f":{30_000 + secrets.randbelow(20_000)}"
        size = ["-rfbport", "-1", "-geometry", f"{width}x{height}"]
        login = ["-SecurityTypes", "VncAuth", "-rfbauth", str(secret)]
        environment = os.environ | {"DISPLAY": number, "XDG_CONFIG_HOME": folder, "HOME": folder, "NO_AT_BRIDGE": "1"}
        server = stack.enter_context(_start(["Xvnc", number, "-rfbunixpath", str(path), *login, *size], environment))
        stack.callback(server.kill)
        wait_for(path.exists)
        stack.enter_context(_start(["dbus-run-session", "--", "xfwm4", "--compositor=off"], environment))
        stack.callback(server.kill)  # without it, the manager ends, and then its session bus
        display = Display(environment, stack.enter_context(RfbClient(str(path), password)))
        display.wait_for_manager()
        yield display


def _start(command: list[str], environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
