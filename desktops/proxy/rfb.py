"""Do the two RFB handshakes: log in to the desktop with its password, and accept the browser without one."""

from typing import Protocol

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import ECB

VERSION = b"RFB 003.008\n"
NONE, VNC_AUTH = 1, 2  # security types
OK = b"\0\0\0\0"
SHARED = b"\1"  # ClientInit. Always "shared", so that a second window does not disconnect the first


class Unreachable(Exception):
    """The desktop did not accept the login. The text is for the log."""


class BadClient(Exception):
    """The browser did not follow the protocol. The text is for the log."""


class Peer(Protocol):
    async def exactly(self, count: int) -> bytes: ...

    async def write(self, data: bytes) -> None: ...


async def log_in(desktop: Peer, password: str) -> None:
    """Log in to the desktop, up to the point where ClientInit follows. Raises Unreachable, ConnectionError.

    A server that asks for no password is refused, because it may belong to another user.
    """
    version = await _agree_on_version(desktop)
    await _choose_password(desktop, version)
    await desktop.write(response(await desktop.exactly(16), password))
    if await desktop.exactly(4) != OK:
        raise Unreachable("the desktop refused its password")


async def _agree_on_version(desktop: Peer) -> int:
    """Return the minor version to use: 3, 7 or 8."""
    banner = await desktop.exactly(12)
    if not (banner.startswith(b"RFB ") and banner[4:7].isdigit() and banner[8:11].isdigit()):
        raise Unreachable("not a VNC server")
    major, minor = int(banner[4:7]), int(banner[8:11])
    version = 8 if (major, minor) >= (3, 8) else 7 if (major, minor) == (3, 7) else 3
    await desktop.write(b"RFB 003.00%d\n" % version)
    return version


async def _choose_password(desktop: Peer, version: int) -> None:
    if version == 3:  # the server decides
        offered = await desktop.exactly(4)
        types = bytes([VNC_AUTH]) if offered == VNC_AUTH.to_bytes(4, "big") else b""
    else:
        (count,) = await desktop.exactly(1)
        types = await desktop.exactly(count)
    if VNC_AUTH not in types:
        raise Unreachable(f"the desktop does not ask for a password (security types {list(types)})")
    if version != 3:
        await desktop.write(bytes([VNC_AUTH]))


def response(challenge: bytes, password: str) -> bytes:
    """Encrypt the challenge with DES. The key is the first 8 bytes of the password, with the bits of each reversed."""
    padded = password.encode("latin-1", "replace")[:8].ljust(8, b"\0")
    key = bytes(int(f"{byte:08b}"[::-1], 2) for byte in padded)
    encryptor = Cipher(TripleDES(key * 3), ECB()).encryptor()  # noqa: S305 - the protocol's own  # nosec B305
    return encryptor.update(challenge) + encryptor.finalize()


async def accept_browser(browser: Peer) -> None:
    """Do the handshake with the browser, up to and including ClientInit. Raises BadClient, ConnectionError."""
    await browser.write(VERSION)
    if await browser.exactly(12) != VERSION:
        raise BadClient("not RFB 3.8")
    await browser.write(bytes([1, NONE]))
    if await browser.exactly(1) != bytes([NONE]):
        raise BadClient("chose a security type that was not offered")
    await browser.write(OK)
    await browser.exactly(1)  # ClientInit; its value is ignored, see SHARED
