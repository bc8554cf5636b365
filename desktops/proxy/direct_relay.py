"""The fast engine, where the server offers it: both sockets call each other, without task, queue or copy between."""

import time
from typing import NoReturn

from desktops.proxy.browser_connection import Browser, Connection
from desktops.proxy.desktop_connection import Desktop
from desktops.proxy.stream import Stream


class Wire:
    """What one side says, the other side does. Each side that is full holds the other."""

    def __init__(self, stream: Stream, desktop: Desktop, connection: Connection) -> None:
        self._stream, self._desktop, self._connection = stream, desktop, connection

    def from_browser(self, data: bytes) -> None:
        self._stream.input.feed(data)
        self._stream.up += len(data)
        self._desktop.put(data)

    def browser_full(self) -> None:
        self._stream.browser_blocked = time.monotonic()
        self._desktop.hold()

    def browser_free(self) -> None:
        self._stream.browser_blocked = None
        self._desktop.release()

    def from_desktop(self, data: bytes) -> None:
        self._stream.down += len(data)
        self._connection.put(data)

    def desktop_full(self) -> None:
        self._stream.desktop_blocked = time.monotonic()
        self._connection.hold()

    def desktop_free(self) -> None:
        self._stream.desktop_blocked = None
        self._connection.release()

    def desktop_gone(self) -> None:
        self._stream.end("desktop_ended")


async def run(stream: Stream, desktop: Desktop, browser: Browser, connection: Connection) -> NoReturn:
    """As relay.run."""
    wire = Wire(stream, desktop, connection)
    try:
        while browser.unread or connection.has_messages():  # first what came before
            wire.from_browser(await browser.message())
        connection.taker = wire
        desktop.attach(wire)
        wire.browser_free() if connection.can_write() else wire.browser_full()
        while True:  # from here on only the end comes this way
            wire.from_browser(await browser.message())
    finally:
        connection.taker = None
