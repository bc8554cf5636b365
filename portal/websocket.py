"""Extend uvicorn's WebSocket protocol with limits on what a hostile or unresponsive peer can make it store.

uvicorn portal.asgi:application --ws portal.websocket:BoundedWebSocket ...
"""

import asyncio
import socket
from struct import pack

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.http11 import Request
from websockets.protocol import State

from desktops.proxy.asgi import DIRECT
from desktops.proxy.browser_connection import BrowserListener
from portal.websocket_frames import FrameSplitter

EARLY = 64 * 1024  # bytes that a client may send before it is accepted
FRAGMENTS = 1024  # frames per message
MESSAGE = 0xFFFF  # bytes; a page gets only complete messages, and a slow connection must not look dead
UNSENT = 128 * 1024  # bytes in the kernel that are not sent yet; more would only delay newer screen updates


TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class BoundedWebSocket(WebSocketsSansIOProtocol):
    listener: BrowserListener | None = None  # gets messages directly, without the queue
    _early = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._receive = FrameSplitter(self._takes, self._take, super().data_received).feed
        connection = transport.get_extra_info("socket")
        if connection is not None and connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)

    def data_received(self, data: bytes) -> None:
        if self.handshake_complete:
            self._receive(data)
            return
        # Before the connection is accepted, only the library knows where the client's frames end.
        if self.handshake_initiated or not data.endswith(b"\r\n\r\n"):
            self._receive = super().data_received
        self._early += len(data)
        if self._early > EARLY:
            self.transport.abort()
            return
        super().data_received(data)
        if not self.handshake_initiated:  # the request was complete but invalid, so it would never be answered
            self.transport.write(TOO_LARGE)
            self.transport.close()

    async def send(self, message: ASGISendEvent) -> None:
        """End the handshake after a refusal with its own response (`websocket.http.response.*`).

        uvicorn does this only for a plain `websocket.close`, and otherwise logs an error for each refusal.
        """
        await super().send(message)
        if self.close_sent:
            self.handshake_complete = True

    def _takes(self) -> bool:
        return self.listener is not None and not self.close_sent

    def _take(self, data: bytes) -> None:
        if self.listener:
            self.listener.from_browser(data)

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if not self.close_sent:
            self.scope["extensions"][DIRECT] = {"connection": self}

    # --- Called by desktops.proxy.direct_relay
    def has_messages(self) -> bool:
        return not self.queue.empty()

    def can_write(self) -> bool:
        return self.writable.is_set()

    def put(self, data: bytes) -> None:
        """Send binary messages. The payload is not copied: the event loop writes header and payload together."""
        if self.conn.state is not State.OPEN:
            return
        size = len(data)
        if size < 126:
            self.transport.write(bytes((0x82, size)) + data)
        elif size <= MESSAGE:
            self.transport.writelines((pack("!BBH", 0x82, 126, size), data))
        else:
            view = memoryview(data)
            for start in range(0, size, MESSAGE):
                part = view[start : start + MESSAGE]
                self.transport.writelines((pack("!BBH", 0x82, 126, len(part)), part))

    def put_text(self, text: str) -> None:
        if self.conn.state is State.OPEN:
            self.transport.write(bytes((0x81, len(text))) + text.encode())

    def hold(self) -> None:
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()

    def release(self) -> None:
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()

    # --- Passed to desktops.proxy.direct_relay
    def send_receive_event_to_app(self) -> None:
        if self.listener is None or self.close_sent:
            super().send_receive_event_to_app()
            return
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        self.frames = []
        if self.curr_msg_data_type == "bytes":
            self.listener.from_browser(data)
        else:
            self.listener.text_from_browser(data)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self.listener:
            self.listener.browser_full()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.listener:
            self.listener.browser_free()

    # --- Limits
    def handle_ping(self) -> None:
        if self.writable.is_set():
            super().handle_ping()
        else:  # a peer that sends pings but reads nothing gets no pongs, which would accumulate
            self.conn.data_to_send()

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) >= FRAGMENTS:
            self.transport.abort()
            return
        super().handle_cont(event)

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self.transport.abort()  # closing would wait for a peer that reads nothing

    def shutdown(self) -> None:
        super().shutdown()
        if not self.writable.is_set():
            self.transport.abort()  # the server's shutdown must not wait for it either

    async def run_asgi(self) -> None:
        await super().run_asgi()
        if self.close_sent or self.conn.close_sent:
            self.loop.call_later(self.close_timeout, self.transport.abort)
        else:
            self.transport.abort()  # the application gave up on a peer that reads nothing, not even a close frame
