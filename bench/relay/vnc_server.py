"""The VNC server behind every stack: it sends, counts or echoes as the first fence message asks.

python -m bench.relay.vnc_server PASSWORD    prints the port that asks for VNC authentication, and the one that does not
"""

import asyncio
import json
import os
import sys
from functools import partial
from typing import cast

import uvloop

from desktops.proxy import rfb

CHUNK = bytes(range(256)) * 256  # 64 KiB
SERVER_INIT = b"\0\x40\0\x30" + bytes(16) + b"\0\0\0\0"
FENCE = 248  # its payload is our command: "down BYTES", "up BYTES", "echo", "idle"


class VNCServer(asyncio.Protocol):
    """One connection. `steps` are the remaining messages of the VNC login: length and answer."""

    def __init__(self, password: str | None) -> None:
        self._buffer = bytearray()
        self._challenge = os.urandom(16)
        self._left = 0  # bytes to send, or still to be counted
        self._mode = ""
        self._writable = True
        expected = rfb.response(self._challenge, password) if password else b""
        self._steps = [(12, b"\1\2"), (1, self._challenge), (16, rfb.OK), (1, SERVER_INIT)] if password else []
        self._expected = expected

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._steps:
            self._transport.write(rfb.VERSION)

    def data_received(self, data: bytes) -> None:
        if self._mode == "up":
            self._count(len(data))
        elif self._mode == "echo":
            self._transport.write(data)
        elif not self._mode:
            self._buffer += data
            self._handshake()

    def _handshake(self) -> None:
        while self._steps and len(self._buffer) >= self._steps[0][0]:
            length, answer = self._steps.pop(0)
            if length == 16 and bytes(self._buffer[:16]) != self._expected:
                self._transport.abort()
            del self._buffer[:length]
            self._transport.write(answer)
        if not self._steps and len(self._buffer) >= 9 and len(self._buffer) >= 9 + self._buffer[8]:
            if self._buffer[0] != FENCE:
                self._transport.abort()
            end = 9 + self._buffer[8]
            self._mode, _, amount = self._buffer[9:end].decode().partition(" ")
            self._left = int(amount or 0)
            rest = len(self._buffer) - end
            self._send() if self._mode == "down" else self._count(rest) if self._mode == "up" else None

    def _count(self, arrived: int) -> None:
        """Count uploads where they arrive, and confirm the end with one byte."""
        self._left -= arrived
        if self._left <= 0:
            self._transport.write(b"!")

    def _send(self) -> None:
        while self._writable and self._left > 0:
            self._left -= len(CHUNK)
            self._transport.write(CHUNK)

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        if self._mode == "down":
            self._send()


async def main(password: str) -> None:
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(partial(VNCServer, word), "127.0.0.1", 0) for word in (password, None)]
    print(json.dumps([server.sockets[0].getsockname()[1] for server in servers]), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
