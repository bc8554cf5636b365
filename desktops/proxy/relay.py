"""Copy bytes both ways until either side ends. `run` is the whole engine: a faster one can take its place."""

import asyncio
import time

from desktops.proxy import rfb
from desktops.proxy.asgi import Receive, Send
from desktops.proxy.desktop import Desktop
from desktops.proxy.stream import Stream


class BrowserLeft(Exception):
    """The text is the close code, as far as there is one."""


class Browser:
    """The browser's side while hands are shaken: bytes, whatever the messages they come in."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self.unread = b""

    async def message(self) -> bytes:
        """The next one. Raises BrowserLeft, rfb.BadClient."""
        if self.unread:
            data, self.unread = self.unread, b""
            return data
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            raise BrowserLeft(str(message.get("code", "")))
        received = message.get("bytes")
        if received is None:
            raise rfb.BadClient("sent text")
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


async def run(stream: Stream, desktop: Desktop, browser: Browser) -> None:
    """Returns never by itself: it says stream.end(), and whoever waits for that cancels this. Raises BrowserLeft."""
    async with asyncio.TaskGroup() as pumps:
        pumps.create_task(_to_browser(stream, desktop, browser))
        pumps.create_task(_to_desktop(stream, desktop, browser))


async def _to_browser(stream: Stream, desktop: Desktop, browser: Browser) -> None:
    while data := await desktop.read():
        stream.browser_blocked = time.monotonic()
        await browser.write(data)
        stream.browser_blocked = None
        stream.down += len(data)
    stream.end("desktop_ended")


async def _to_desktop(stream: Stream, desktop: Desktop, browser: Browser) -> None:
    while True:
        data = await browser.message()
        stream.input.feed(data)
        stream.desktop_blocked = time.monotonic()
        await desktop.write(data)
        stream.desktop_blocked = None
        stream.up += len(data)
