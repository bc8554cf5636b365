"""Read and write the desktop's side of a stream: an asyncio protocol with back-pressure in both directions."""

import asyncio
from typing import Protocol, Self, cast

HIGH = 256 * 1024  # bytes from the desktop that are buffered for the browser before reading is paused
CONNECT_TIMEOUT = 5.0  # seconds
# Seconds. In a cluster, the nodes refuse connections for a moment after a desktop is reported ready, until they have
# the route to it.
CONNECT_RETRY_SECONDS, CONNECT_RETRY_PAUSE = 2.0, 0.05


class DesktopListener(Protocol):
    """Receives callbacks instead of calling read(); see desktops.proxy.direct_relay."""

    def from_desktop(self, data: bytes) -> None: ...

    def desktop_full(self) -> None: ...

    def desktop_free(self) -> None: ...

    def desktop_gone(self) -> None: ...


class DesktopConnection(asyncio.Protocol):
    """A connection that buffers from the first byte, because RFB servers send first.

    Only one task may read and one may write at a time.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._chunks: list[bytes] = []
        self._waiting = 0  # bytes in _chunks
        self._paused = False
        self._lost = False
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._writable = True
        self._listener: DesktopListener | None = None

    @classmethod
    async def connect(cls, kind: str, address: str, port: int) -> Self:
        """Connect to a Unix socket or a TCP port. Raises OSError, including TimeoutError."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CONNECT_TIMEOUT):
            if kind == "unix":
                return (await loop.create_unix_connection(cls, address))[1]
            timeout = loop.time() + CONNECT_RETRY_SECONDS
            while True:
                try:
                    return (await loop.create_connection(cls, address, port))[1]
                except ConnectionRefusedError:
                    if loop.time() > timeout:
                        raise
                await asyncio.sleep(CONNECT_RETRY_PAUSE)

    # --- Called by asyncio
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._listener:
            self._listener.from_desktop(data)
            return
        self._chunks.append(data)
        self._waiting += len(data)
        if self._waiting >= HIGH:
            self.hold()
        self._wake_reader()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._wake_reader()
        self.resume_writing()
        if self._listener:
            self._listener.desktop_gone()

    def pause_writing(self) -> None:
        self._writable = False
        if self._listener:
            self._listener.desktop_full()

    def resume_writing(self) -> None:
        self._writable = True
        if self._writer and not self._writer.done():
            self._writer.set_result(None)
        if self._listener:
            self._listener.desktop_free()

    def _wake_reader(self) -> None:
        if self._reader and not self._reader.done():
            self._reader.set_result(None)

    # --- Called by the relay
    async def read(self) -> bytes:
        """Return all buffered bytes. Waits for at least one; returns no bytes when the desktop has closed."""
        while not self._chunks:
            if self._lost:
                return b""
            self._reader = self._loop.create_future()
            await self._reader
        data = self._taken()
        self.release()
        return data

    def _taken(self) -> bytes:
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._waiting = 0
        return data

    async def exactly(self, count: int) -> bytes:
        """Return exactly `count` bytes. Raises ConnectionError if the desktop closes before."""
        data = b""
        while len(data) < count:
            more = await self.read()
            if not more:
                raise ConnectionError("the desktop closed the connection")
            data += more
        if len(data) > count:
            self._chunks.insert(0, data[count:])
            self._waiting += len(data) - count
        return data[:count]

    async def write(self, data: bytes) -> None:
        """Send data, and return when the connection accepts more."""
        self._transport.write(data)
        while not self._writable and not self._lost:
            self._writer = self._loop.create_future()
            await self._writer

    def put(self, data: bytes) -> None:
        self._transport.write(data)

    def hold(self) -> None:
        """Pause reading from the desktop."""
        if not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def release(self) -> None:
        if self._paused:
            self._paused = False
            self._transport.resume_reading()

    def attach(self, listener: "DesktopListener") -> None:
        """Pass all data to the listener from now on, beginning with what is buffered."""
        self._listener = listener
        if self._chunks:
            listener.from_desktop(self._taken())
        if not self._writable:
            listener.desktop_full()
        if self._lost:
            listener.desktop_gone()

    def abort(self) -> None:
        self._transport.abort()
