"""Relay without tasks, queues or copies: each socket calls the other. Needs a server with the extension DIRECT."""

import time
from typing import NoReturn

import structlog

from core import keepalive
from desktops.proxy.browser_connection import BrowserConnection, WebSocketConnection
from desktops.proxy.desktop_connection import DesktopConnection
from desktops.proxy.stream import Stream

log = structlog.get_logger("podesk.proxy")


class DirectRelay:
    """Pass data from each side to the other. A side that cannot accept more pauses reading from the other."""

    def __init__(
        self, stream: Stream, desktop: DesktopConnection, browser: BrowserConnection, connection: WebSocketConnection
    ) -> None:
        self._stream, self._desktop, self._browser, self._connection = stream, desktop, browser, connection

    def from_browser(self, data: bytes) -> None:
        self._stream.input.feed(data)
        self._stream.up += len(data)
        self._desktop.put(data)

    def text_from_browser(self, data: bytes) -> None:
        """Answer a keepalive here, because reading it from the queue would resume reading from a paused browser."""
        if not self._browser.is_keepalive(data.decode(errors="replace")):
            log.warning("bad_client", detail=["sent text"])
            self._stream.end("bad_client")
        elif self._connection.can_write():  # otherwise the data that waits there keeps the connection alive
            self._connection.put_text(keepalive.PONG)

    def browser_full(self) -> None:
        self._stream.browser_blocked = time.monotonic()
        self._desktop.hold()

    def browser_free(self) -> None:
        self._stream.browser_blocked = None
        self._desktop.release()

    def from_desktop(self, data: bytes) -> None:
        self._stream.add_down(len(data))
        self._connection.put(data)

    def desktop_full(self) -> None:
        self._stream.desktop_blocked = time.monotonic()
        self._connection.hold()

    def desktop_free(self) -> None:
        self._stream.desktop_blocked = None
        self._connection.release()

    def desktop_gone(self) -> None:
        self._stream.end("desktop_ended")


async def run(
    stream: Stream, desktop: DesktopConnection, browser: BrowserConnection, connection: WebSocketConnection
) -> NoReturn:
    """Relay as relay.run does, until this task is cancelled. Raises BrowserLeft and BadClient."""
    relay = DirectRelay(stream, desktop, browser, connection)
    try:
        while browser.unread or connection.has_messages():  # what arrived before the relay began
            relay.from_browser(await browser.message())
        connection.listener = relay
        desktop.attach(relay)
        relay.browser_free() if connection.can_write() else relay.browser_full()
        while True:  # from here on the queue only receives the disconnect
            relay.from_browser(await browser.message())
    finally:
        connection.listener = None
