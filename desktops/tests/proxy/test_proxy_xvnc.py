"""The proxy with a real X server: TigerVNC's Xvnc."""

import secrets
import struct
import subprocess
import time
from pathlib import Path

import pytest

from core import encryption
from desktops.runtimes.local.session_commands import obfuscated
from desktops.tests.proxy.conftest import dial, ended, routes, token_for

pytestmark = pytest.mark.once

PASSWORD = secrets.token_urlsafe(6)  # 8 characters


@pytest.fixture
def xvnc(tmp_path):
    """Return the path of its socket."""
    path, secret = Path(f"/tmp/proxy-xvnc-{secrets.token_hex(4)}"), tmp_path / "passwd"
    secret.write_bytes(obfuscated(PASSWORD))
    command = ["Xvnc", f":{2000 + secrets.randbelow(20000)}", "-rfbunixpath", str(path), "-rfbauth", str(secret)]
    process = subprocess.Popen(
        [
            *command,
            "-SecurityTypes",
            "VncAuth",
            "-rfbport",
            "-1",
            "-geometry",
            "640x400",
            "-nolisten",
            "unix",
            "-listen",
            "tcp",
        ],
        stderr=subprocess.DEVNULL,
    )
    while not path.exists() and process.poll() is None:
        time.sleep(0.02)
    assert process.poll() is None
    yield str(path)
    process.terminate()
    process.wait()
    path.unlink(missing_ok=True)


@pytest.fixture
def desktop(running_desktop, alice, xvnc):
    return running_desktop(alice, xvnc, vnc_password_sealed=encryption.encrypt(PASSWORD))


class Reader:
    """Reads messages as one stream."""

    def __init__(self, browser):
        self.browser, self.data = browser, b""

    def take(self, count):
        while len(self.data) < count:
            self.data += self.browser.recv(timeout=10)
        taken, self.data = self.data[:count], self.data[count:]
        return taken


@pytest.mark.parametrize("name", ["uvicorn", "daphne"])
def test_pixels_come_through(request, desktop, name):
    with dial(request.getfixturevalue(name), routes(desktop)[0], token_for(desktop)) as browser:
        browser.send(b"RFB 003.008\n" + b"\1" + b"\1")
        reader = Reader(browser)
        assert reader.take(18) == b"RFB 003.008\n" + b"\1\1" + bytes(4)
        width, height, _, length = struct.unpack(">HH16sI", reader.take(24))
        assert (width, height) == (640, 400)
        reader.take(length)
        browser.send(struct.pack(">BxHi", 2, 1, 0) + struct.pack(">BBHHHH", 3, 0, 0, 0, 16, 8))  # raw encoding
        assert reader.take(4) == b"\0\0\0\1"
        assert struct.unpack(">HHHHi", reader.take(12)) == (0, 0, 16, 8, 0)
        assert len(reader.take(16 * 8 * 4)) == 512


def test_another_desktops_password_shows_nothing(uvicorn, desktop):
    desktop.vnc_password_sealed = encryption.encrypt("wrong123")
    desktop.save()
    with dial(uvicorn, routes(desktop)[0], token_for(desktop)) as browser:
        browser.send(b"RFB 003.008\n" + b"\1" + b"\1")
        assert ended(browser, within=5) == "desktop_unreachable"
