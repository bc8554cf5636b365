"""Read and write the browser's side of a stream as bytes, independent of WebSocket message boundaries."""

from typing import Protocol

from core import keepalive
from desktops.proxy.asgi import DIRECT, Receive, Scope, Send
from desktops.proxy.rfb import BadClient
from desktops.token_scopes import SUBPROTOCOL


class BrowserLeft(Exception):
    """The browser closed the connection. The text is the close code, or empty if there is none."""


class BrowserListener(Protocol):
    """Receives callbacks from the server's connection instead of awaiting messages."""

    def from_browser(self, data: bytes) -> None: ...

    def text_from_browser(self, data: bytes) -> None: ...

    def browser_full(self) -> None: ...

    def browser_free(self) -> None: ...


class WebSocketConnection(Protocol):
    """The connection object of a server that offers the extension DIRECT; see portal.websocket."""

    listener: BrowserListener | None

    def has_messages(self) -> bool: ...

    def can_write(self) -> bool: ...

    def put(self, data: bytes) -> None: ...

    def put_text(self, text: str) -> None: ...

    def hold(self) -> None: ...

    def release(self) -> None: ...


class BrowserConnection:
    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self.subprotocol = _chosen(scope.get("subprotocols") or [])
        self.unread = b""
        self.connection: WebSocketConnection | None = scope.get("extensions", {}).get(DIRECT, {}).get("connection")

    async def message(self) -> bytes:
        """Return the next binary message.

        Raises:
            BrowserLeft: the browser closed the connection.
            BadClient: the browser sent a text message that is not a keepalive.
        """
        if self.unread:
            data, self.unread = self.unread, b""
            return data
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                raise BrowserLeft(str(message.get("code", "")))
            received = message.get("bytes")
            if received is not None:
                return bytes(received)
            if not self.is_keepalive(message.get("text")):
                raise BadClient("sent text")
            await self._write({"text": keepalive.PONG})

    def is_keepalive(self, text: str | None) -> bool:
        """Return whether this is the keepalive message, the only text that a browser may send."""
        return self.subprotocol == keepalive.SUBPROTOCOL and text == keepalive.PING

    async def exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            data += await self.message()
        self.unread = data[count:]
        return data[:count]

    async def write(self, data: bytes) -> None:
        """Send data, and return when the connection accepts more. Raises BrowserLeft."""
        await self._write({"bytes": data})

    async def _write(self, message: dict[str, bytes] | dict[str, str]) -> None:
        try:
            await self._send({"type": "websocket.send", **message})
        except (OSError, RuntimeError):  # which one a server raises after a close depends on the server
            raise BrowserLeft


def _chosen(offered: list[str]) -> str | None:
    return next((name for name in (keepalive.SUBPROTOCOL, SUBPROTOCOL) if name in offered), None)
