"""A desktop may accept connections a moment after it is reported as ready."""

import asyncio
import socket

import pytest

from desktops.proxy.desktop_connection import DesktopConnection


@pytest.fixture
def port() -> int:
    """Return a port at which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def test_a_way_that_opens_late_is_taken(port):
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"RFB 003.008\n")
        writer.close()

    connecting = asyncio.create_task(DesktopConnection.connect("tcp", "127.0.0.1", port))
    await asyncio.sleep(0.3)
    assert not connecting.done()
    async with await asyncio.start_server(speak, "127.0.0.1", port):
        desktop = await connecting
        assert await desktop.read() == b"RFB 003.008\n"
        desktop.abort()


async def test_a_way_that_stays_closed_is_given_up(port):
    with pytest.raises(ConnectionRefusedError):
        await DesktopConnection.connect("tcp", "127.0.0.1", port)
