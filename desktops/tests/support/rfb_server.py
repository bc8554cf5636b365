"""A small RFB server on a real socket, in threads, as the desktop behind the proxy."""

import contextlib
import itertools
import os
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from desktops.proxy import rfb

SERVER_INIT = struct.pack(">HH16sI", 64, 48, bytes(16), 5) + b"tests"


@dataclass
class Behaviour:
    """The behaviour of the server."""

    password: str = "pa55word"
    banner: bytes = b"RFB 003.008\n"
    security_types: bytes = b"\2"
    then: str = "swallow"  # name of a method of VNCServer


@dataclass
class VNCServer:
    """The server. `received` contains everything that arrived after ClientInit."""

    folder: Path
    behaviour: Behaviour = field(default_factory=Behaviour)

    def __post_init__(self) -> None:
        self.path = str(self.folder / f"vnc-server-{os.urandom(4).hex()}")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(50)
        self.received = bytearray()
        self.sent = 0
        self.inits: list[bytes] = []
        self.open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.open.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError), connection:
            connection.sendall(self.behaviour.banner)
            version = exactly(connection, 12)
            if not self._security(connection, version):
                return
            self.inits.append(exactly(connection, 1))
            connection.sendall(SERVER_INIT)
            getattr(self, self.behaviour.then)(connection)

    def _security(self, connection: socket.socket, version: bytes) -> bool:
        types = self.behaviour.security_types
        if version == b"RFB 003.003\n":
            connection.sendall(types[:1].rjust(4, b"\0"))
        else:
            connection.sendall(bytes([len(types)]) + types)
            if exactly(connection, 1) == b"\1":
                connection.sendall(rfb.OK)
                return True
        challenge = os.urandom(16)
        connection.sendall(challenge)
        passed = exactly(connection, 16) == rfb.response(challenge, self.behaviour.password)
        connection.sendall(rfb.OK if passed else b"\0\0\0\1")
        return passed

    def swallow(self, connection: socket.socket) -> None:
        while data := connection.recv(65536):
            self.received += data

    def flood(self, connection: socket.socket) -> None:
        """Send numbers as fast as the proxy reads them, after the first message of the browser."""
        connection.recv(65536)
        for block in itertools.count():
            connection.sendall(block.to_bytes(8, "big") * 8192)
            self.sent = (block + 1) * 65536

    def flood_at_once(self, connection: socket.socket) -> None:
        while True:
            connection.sendall(bytes(65536))

    def count_at_once(self, connection: socket.socket) -> None:
        for start in range(0, 50_000, 1000):
            connection.sendall(b"".join(number.to_bytes(4, "big") for number in range(start, start + 1000)))
        connection.recv(1)

    def echo(self, connection: socket.socket) -> None:
        while data := connection.recv(65536):
            connection.sendall(data)

    def hang_up(self, connection: socket.socket) -> None:
        connection.recv(65536)

    def ignore_input(self, connection: socket.socket) -> None:
        threading.Event().wait(30)

    def hung_up_on(self, *, within: float) -> bool:
        """Return whether the proxy has ended every connection within this many seconds."""
        until = time.monotonic() + within
        while time.monotonic() < until:
            if all(one.fileno() == -1 for one in self.open):
                return True
            time.sleep(0.02)
        return False

    def close(self) -> None:
        for one in (self.listener, *self.open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


def exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data
