"""The browser's side of a stream: bytes, whatever the messages they come in."""

from typing import Protocol

from desktops.proxy.asgi import DIRECT, Receive, Scope, Send
from desktops.proxy.rfb import BadClient


class BrowserLeft(Exception):
    """The text is the close code, as far as there is one."""


class Taker(Protocol):
    """What a server's connection calls, instead of being asked."""

    def from_browser(self, data: bytes) -> None: ...

    def browser_full(self) -> None: ...

    def browser_free(self) -> None: ...


class Connection(Protocol):
    """The connection as a server has it that offers the extension DIRECT; see portal.websocket."""

    taker: Taker | None

    def has_messages(self) -> bool: ...

    def can_write(self) -> bool: ...

    def put(self, data: bytes) -> None: ...

    def hold(self) -> None: ...

    def release(self) -> None: ...


class Browser:
    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self.unread = b""
        self.connection: Connection | None = scope.get("extensions", {}).get(DIRECT, {}).get("connection")

    async def message(self) -> bytes:
        """The next one. Raises BrowserLeft, BadClient."""
        if self.unread:
            data, self.unread = self.unread, b""
            return data
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            raise BrowserLeft(str(message.get("code", "")))
        received = message.get("bytes")
        if received is None:
            raise BadClient("sent text")
        return bytes(received)

    async def exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            data += await self.message()
        self.unread = data[count:]
        return data[:count]

    async def write(self, data: bytes) -> None:
        """Returns when the browser's side can take more. Raises BrowserLeft."""
        try:
            await self._send({"type": "websocket.send", "bytes": data})
        except (OSError, RuntimeError):  # servers say in both ways that they have closed already
            raise BrowserLeft
