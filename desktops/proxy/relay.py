"""Relay bytes in both directions until either side ends."""

import asyncio
import time

from desktops.proxy import direct_relay
from desktops.proxy.browser_connection import BrowserConnection
from desktops.proxy.desktop_connection import DesktopConnection
from desktops.proxy.stream import Stream


async def run(stream: Stream, desktop: DesktopConnection, browser: BrowserConnection) -> None:
    """Relay until this task is cancelled. When the desktop ends, it calls stream.end() and does not return.

    Raises BrowserLeft and BadClient, alone or in an exception group.
    """
    if browser.connection:
        await direct_relay.run(stream, desktop, browser, browser.connection)
    async with asyncio.TaskGroup() as pumps:  # works with any ASGI server
        pumps.create_task(_to_browser(stream, desktop, browser))
        pumps.create_task(_to_desktop(stream, desktop, browser))


async def _to_browser(stream: Stream, desktop: DesktopConnection, browser: BrowserConnection) -> None:
    while data := await desktop.read():
        stream.browser_blocked = time.monotonic()
        await browser.write(data)
        stream.browser_blocked = None
        stream.add_down(len(data))
    stream.end("desktop_ended")


async def _to_desktop(stream: Stream, desktop: DesktopConnection, browser: BrowserConnection) -> None:
    while True:
        data = await browser.message()
        stream.input.feed(data)
        stream.desktop_blocked = time.monotonic()
        await desktop.write(data)
        stream.desktop_blocked = None
        stream.up += len(data)
