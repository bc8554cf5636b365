"""The browsers of all stacks: raw sockets with minimal WebSocket framing, in one separate process.

python -m bench.relay.load    reads one JSON order per line, answers with one JSON line
"""

import fcntl
import json
import os
import selectors
import socket
import sys
import termios
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.relay.vnc_server import FENCE
from desktops.proxy import rfb

MIB = 2**20
MESSAGE = 64 * 1024
# ClientCutText: header and body of one 64 KiB upload; FramebufferUpdateRequest: the 10 bytes of a round trip.
UPLOAD = b"\x06\0\0\0" + (MESSAGE - 8).to_bytes(4, "big") + bytes(range(256)) * 255 + bytes(248)
REQUEST = b"\x03\1" + bytes(4) + b"\x07\x80\x04\x38"
_buffer = memoryview(bytearray(256 * 1024))


@dataclass
class Target:
    """An address to connect to, by WebSocket or plain TCP. Without a token there is no RFB login."""

    port: int
    websocket: bool = True
    path: str = "/"
    token: str = ""


class Session:
    def __init__(self, target: Target) -> None:
        self.websocket = target.websocket
        self.socket = socket.create_connection(("127.0.0.1", target.port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._skip = 0  # bytes of the current frame's payload that are not read yet
        self._head = b""
        if target.websocket:
            self._upgrade(target)
        if target.token:
            for send, expect in ((b"", 12), (rfb.VERSION, 2), (b"\1", 4), (b"\1", 24)):
                if send:
                    self.socket.sendall(self.message(send))
                self.take(expect)

    def _upgrade(self, target: Target) -> None:
        offered = "binary" + (f", podesk.token.{target.token}" if target.token else "")
        self.socket.sendall(
            f"GET {target.path} HTTP/1.1\r\nHost: 127.0.0.1:{target.port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            f"Sec-WebSocket-Protocol: {offered}\r\n\r\n".encode()
        )
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            byte = self.socket.recv(1)  # must not read more than the answer
            if not byte:
                raise ConnectionError(f"refused: {answer!r}")
            answer += byte
        if b" 101 " not in answer:
            raise ConnectionError(f"refused: {answer!r}")

    def message(self, data: bytes) -> bytes:
        """Return the bytes of a message on the wire."""
        if not self.websocket:
            return data
        mask = os.urandom(4)
        size = len(data)
        length = bytes([0x80 | size]) if size < 126 else b"\xff" + size.to_bytes(8, "big")
        pad = (mask * (size // 4 + 1))[:size]
        masked = (int.from_bytes(data, "big") ^ int.from_bytes(pad, "big")).to_bytes(size, "big")
        return b"\x82" + length + mask + masked

    def order(self, command: str) -> None:
        payload = command.encode()
        self.socket.sendall(self.message(bytes([FENCE]) + bytes(7) + bytes([len(payload)]) + payload))

    def receive(self) -> int:
        """Read once and return the number of payload bytes."""
        count = self.socket.recv_into(_buffer)
        if not count:
            raise ConnectionError("the other side closed")
        return self._payload(_buffer[:count]) if self.websocket else count

    def _payload(self, data: memoryview) -> int:
        found, at, end = 0, 0, len(data)
        if not self._skip and not self._head and end > 1 and data[1] < 126 and end == 2 + data[1]:
            return data[1]  # one small frame, as in every round trip
        while at < end:
            if self._skip:
                step = min(self._skip, end - at)
                self._skip -= step
                found += step
                at += step
                continue
            self._head += bytes(data[at : at + 1])
            at += 1
            self._skip = _frame_length(self._head)
            if self._skip >= 0:
                self._head = b""
            self._skip = max(0, self._skip)
        return found

    def take(self, count: int) -> None:
        while count > 0:
            count -= self.receive()


def _frame_length(head: bytes) -> int:
    """Return the length of an unmasked frame, or -1 while the header is incomplete."""
    if len(head) < 2:
        return -1
    short = head[1] & 0x7F
    size = {126: 2, 127: 8}.get(short, 0)
    if len(head) < 2 + size:
        return -1
    return int.from_bytes(head[2:], "big") if size else short


_open: list[Session] = []


def connect(target: Target, sessions: int) -> dict[str, Any]:
    _open.extend(Session(target) for _ in range(sessions))
    return {}


def close() -> dict[str, Any]:
    for session in _open:
        session.socket.close()
    _open.clear()
    return {}


def down(total: int) -> dict[str, Any]:
    """Return the seconds until every session has received `total` bytes."""
    left = dict.fromkeys(_open, total)
    selector = selectors.DefaultSelector()
    for session in _open:
        selector.register(session.socket, selectors.EVENT_READ, session)
    began = time.perf_counter()
    for session in _open:
        session.order(f"down {total}")
    while left:
        for key, _ in selector.select():
            session = key.data
            left[session] -= session.receive()
            if left[session] <= 0:
                del left[session]
                selector.unregister(session.socket)
    return {"seconds": time.perf_counter() - began}


def up(total: int) -> dict[str, Any]:
    """Return the seconds until the VNC server has counted `total` bytes."""
    (session,) = _open
    message = session.message(UPLOAD)
    began = time.perf_counter()
    session.order(f"up {total}")
    for _ in range(total // len(UPLOAD)):
        session.socket.sendall(message)
    session.take(1)
    return {"seconds": time.perf_counter() - began}


def ping(seconds: float) -> dict[str, Any]:
    """Keep one request open per session. Return the median and the 99th percentile in milliseconds."""
    times: list[float] = []
    selector = selectors.DefaultSelector()
    sent: dict[Session, float] = {}
    for session in _open:
        session.order("echo")
        selector.register(session.socket, selectors.EVENT_READ, session)
    requests = {session: session.message(REQUEST) for session in _open}
    time.sleep(0.1)
    end = time.perf_counter() + seconds
    for session in _open:
        sent[session] = time.perf_counter()
        session.socket.sendall(requests[session])
    while (now := time.perf_counter()) < end:
        for key, _ in selector.select():
            session = key.data
            session.take(len(REQUEST))
            now = time.perf_counter()
            times.append(now - sent[session])
            sent[session] = now
            session.socket.sendall(requests[session])
    times.sort()
    return {"p50": times[len(times) // 2] * 1000, "p99": times[len(times) * 99 // 100] * 1000, "count": len(times)}


def stall() -> dict[str, Any]:
    """Request data without reading it. Return the bytes in the kernel after a second, as proof that they arrived."""
    (session,) = _open
    session.order(f"down {2**50}")
    time.sleep(1)
    waiting = fcntl.ioctl(session.socket, termios.FIONREAD, bytes(4))
    return {"waiting": int.from_bytes(waiting, sys.byteorder)}


ORDERS: dict[str, Callable[..., dict[str, Any]]] = {
    "connect": connect,
    "close": close,
    "down": down,
    "up": up,
    "ping": ping,
    "stall": stall,
}

if __name__ == "__main__":
    for line in sys.stdin:
        order = json.loads(line)
        name = order.pop("do")
        if "target" in order:
            order["target"] = Target(**order["target"])
        print(json.dumps(ORDERS[name](**order)), flush=True)
