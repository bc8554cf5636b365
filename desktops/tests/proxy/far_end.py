"""The far outside end: a small real RFB server on a real socket, in threads."""

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from desktops.proxy import rfb

SERVER_INIT = struct.pack(">HH16sI", 64, 48, bytes(16), 5) + b"tests"


@dataclass
class Manners:
    """How the server behaves."""

    password: str = "pa55word"  # noqa: S105
    banner: bytes = b"RFB 003.008\n"
    security_types: bytes = b"\2"
    then: Callable[["FarEnd", socket.socket], None] = lambda far_end, connection: far_end.swallow(connection)


@dataclass
class FarEnd:
    """`received` is all that came after ClientInit."""

    folder: Path
    manners: Manners = field(default_factory=Manners)

    def __post_init__(self) -> None:
        self.path = str(self.folder / f"far-end-{os.urandom(4).hex()}")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(50)
        self.received = bytearray()
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
            connection.sendall(self.manners.banner)
            version = exactly(connection, 12)
            if not self._security(connection, version):
                return
            self.inits.append(exactly(connection, 1))
            connection.sendall(SERVER_INIT)
            self.manners.then(self, connection)

    def _security(self, connection: socket.socket, version: bytes) -> bool:
        types = self.manners.security_types
        if version == b"RFB 003.003\n":
            connection.sendall(types[:1].rjust(4, b"\0"))
        else:
            connection.sendall(bytes([len(types)]) + types)
            if exactly(connection, 1) == b"\1":
                connection.sendall(rfb.OK)
                return True
        challenge = os.urandom(16)
        connection.sendall(challenge)
        passed = exactly(connection, 16) == rfb.response(challenge, self.manners.password)
        connection.sendall(rfb.OK if passed else b"\0\0\0\1")
        return passed

    def swallow(self, connection: socket.socket) -> None:
        while data := connection.recv(65536):
            self.received += data

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
