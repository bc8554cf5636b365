"""A TCP line between browser and portal that can go silent without closing, as when a router forgets a connection."""

import contextlib
import socket
import threading
from collections.abc import Iterator


class SilentLine:
    """Forwards every connection to `port`, until told otherwise."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._sockets: list[socket.socket] = []
        self._flowing = threading.Event()
        self._flowing.set()
        self._lost: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def go_silent(self) -> None:
        """No byte passes any more, and no side hears of it. New connections are taken, and as silent."""
        self._flowing.clear()

    def recover(self) -> None:
        """New connections work; those of before stay silent for ever."""
        self._lost.update(self._sockets)
        self._flowing.set()

    def close(self) -> None:
        for each in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                self._sockets += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._flowing.wait()
                if source in self._lost:
                    return
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def silent_line(port: int) -> Iterator[SilentLine]:
    line = SilentLine(port)
    try:
        yield line
    finally:
        line.close()
