"""View a desktop through the portal on a single stream, as noVNC in the viewer does."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager

from websockets.sync.client import ClientConnection, connect

from core.request_token import SUBPROTOCOL_PREFIX
from desktops.tests.support.rfb_client import colours
from desktops.token_scopes import SUBPROTOCOL
from tests.support.cluster.podesk_outside import Driven

HEIGHT = 60  # lines of the picture to read, from the bottom, where the panel is


@contextmanager
def viewing(driven: Driven, desktop: str) -> Iterator["Viewing"]:
    given = driven.person.act(desktop, "session-token").json()
    with connect(
        driven.portal.url.replace("http", "ws", 1) + given["path"],
        subprotocols=[SUBPROTOCOL, SUBPROTOCOL_PREFIX + given["token"]],
        origin=driven.portal.url,
        compression=None,
        max_size=None,
    ) as stream:
        yield Viewing(stream)


class Viewing:
    def __init__(self, stream: ClientConnection) -> None:
        self._stream = stream
        self._came = b""
        self._read(12)
        self._stream.send(b"RFB 003.008\n" + b"\1" + b"\1")  # no password: the portal has logged in
        assert self._read(6) == b"\1\1" + bytes(4)
        self._width, self._height, length = struct.unpack(">HH16xI", self._read(24))
        self._read(length)
        little_endian_rgb = struct.pack(">BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
        self._stream.send(struct.pack(">B3x", 0) + little_endian_rgb + struct.pack(">BxHi", 2, 1, 0))  # raw

    def colours(self) -> int:
        """Return the number of distinct colours at the bottom of the current picture."""
        top = self._height - HEIGHT
        self._stream.send(struct.pack(">BBHHHH", 3, 0, 0, top, self._width, HEIGHT))
        while (kind := self._read(1)[0]) != 0:  # bell or clipboard
            if kind == 3:
                self._read(struct.unpack(">3xI", self._read(7))[0])
        pixels = b""
        for _ in range(struct.unpack(">xH", self._read(3))[0]):
            width, height = struct.unpack(">4xHH4x", self._read(12))
            pixels += self._read(width * height * 4)
        return colours(pixels)

    def _read(self, count: int) -> bytes:
        while len(self._came) < count:
            self._came += self._stream.recv(timeout=20)
        read, self._came = self._came[:count], self._came[count:]
        return read
