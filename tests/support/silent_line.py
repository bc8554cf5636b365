"""A TCP proxy between browser and portal that can stop forwarding without closing.

A router that forgets a connection has the same effect.
"""

import contextlib
import socket
import threading
from collections.abc import Iterator


class SilentLine:
    """Forwards every connection to `port`, until go_silent() is called."""

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
        """Stop forwarding without an error on either side. New connections are accepted, but not forwarded either."""
        self._flowing.clear()

    def recover(self) -> None:
        """Forward new connections. Existing ones stay silent."""
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
