"""uvicorn's WebSocket protocol with an upper bound on everything a hostile or absent peer can make it keep.

uvicorn portal.asgi:application --ws portal.websocket:BoundedWebSocket ...
"""

import asyncio
import socket

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

EARLY = 64 * 1024  # bytes that a client may send before it is accepted
FRAGMENTS = 1024  # frames of one message
UNSENT = 128 * 1024  # bytes in the kernel that have not left yet: more would only be older pictures


TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class BoundedWebSocket(WebSocketsSansIOProtocol):
    _early = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        if connection is not None and connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)

    def data_received(self, data: bytes) -> None:
        if not self.handshake_complete:
            self._early += len(data)
            if self._early > EARLY:
                self.transport.abort()
                return
        super().data_received(data)
        if not self.handshake_initiated:  # the request came whole, and was not understood: nobody would answer it
            self.transport.write(TOO_LARGE)
            self.transport.close()

    def handle_ping(self) -> None:
        if self.writable.is_set():
            super().handle_ping()
        else:  # who pings and reads nothing gets no pong, rather than a heap of them
            self.conn.data_to_send()

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) >= FRAGMENTS:
            self.transport.abort()
            return
        super().handle_cont(event)

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self.transport.abort()  # closing would wait for a peer that takes nothing

    async def run_asgi(self) -> None:
        await super().run_asgi()
        if self.close_sent or self.conn.close_sent:
            self.loop.call_later(self.close_timeout, self.transport.abort)
        else:
            self.transport.abort()  # the application gave up on a peer that takes nothing, not even a close
