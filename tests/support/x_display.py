"""A real X display with a window manager, and a VNC client as its keyboard."""

import os
import secrets
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from desktops.runtimes.local.session_commands import obfuscated
from desktops.tests.support.rfb_client import RfbClient

CONTROL = 0xFFE3  # keysym


@dataclass
class Display:
    environment: dict[str, str]
    keyboard: RfbClient


@contextmanager
def x_display(width: int = 1440, height: int = 900) -> Iterator[Display]:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        path, secret, password = Path(folder) / "rfb", Path(folder) / "passwd", secrets.token_urlsafe(6)
        secret.write_bytes(obfuscated(password))
        number = f":{30_000 + secrets.randbelow(20_000)}"
        size = ["-rfbport", "-1", "-geometry", f"{width}x{height}"]
        login = ["-SecurityTypes", "VncAuth", "-rfbauth", str(secret)]
        environment = os.environ | {"DISPLAY": number, "XDG_CONFIG_HOME": folder, "HOME": folder}
        stack.callback(_start(["Xvnc", number, "-rfbunixpath", str(path), *login, *size], environment))
        _wait_for(path)
        stack.callback(_start(["dbus-run-session", "--", "xfwm4", "--compositor=off"], environment))
        yield Display(environment, stack.enter_context(RfbClient(str(path), password)))


def _start(command: list[str], environment: dict[str, str]) -> Callable[[], None]:
    """Start a program, and return a function that ends it."""
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)

    def end() -> None:
        process.kill()
        process.wait()

    return end


def _wait_for(path: Path) -> None:
    for _ in range(200):
        if path.exists():
            return
        time.sleep(0.05)
    raise AssertionError("Xvnc did not start")
