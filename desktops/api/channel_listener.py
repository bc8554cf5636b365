"""Hear that something of a person's desktops changed, over the channel layer, and leave nothing behind there."""

import asyncio
from contextlib import suppress
from typing import Any

import structlog
from channels.layers import get_channel_layer
from redis import RedisError

from core.redis import client
from desktops.api import shutdown

log = structlog.get_logger("podesk.events")
REJOIN = 5.0  # seconds until Redis is asked again for messages
_undoing: set[asyncio.Task[None]] = set()  # the loop itself holds tasks only weakly


async def listen(group: str, woken: asyncio.Event) -> None:
    """For a task of its own, which ends when it is cancelled. Without Redis only the server's stop wakes; whoever waits
    looks by the clock as well."""
    shutdown.wakes(woken)
    layer: Any = get_channel_layer()
    while True:
        channel = ""
        try:
            await asyncio.to_thread(client().ping)  # a channel that cannot be subscribed to would stay in the layer
            channel = await _joined(layer, group)
            woken.set()  # for what came before
            while await layer.receive(channel):
                woken.set()
        except (RedisError, OSError) as error:
            log.info("not_woken", error=str(error))
        finally:
            with suppress(RedisError, OSError):
                await layer.group_discard(group, channel)
        await asyncio.sleep(REJOIN)


async def _joined(layer: Any, group: str) -> str:
    """The name of a new channel of the group. Cancelled in the midst, it is given back when the name is known: the
    layer itself takes back only what is being received from."""
    joining = asyncio.create_task(_join(layer, group))
    try:
        return await asyncio.shield(joining)
    except asyncio.CancelledError:
        task = asyncio.create_task(_undo(layer, group, joining))
        _undoing.add(task)
        task.add_done_callback(_undoing.discard)
        raise


async def _join(layer: Any, group: str) -> str:
    channel: str = await layer.new_channel()
    await layer.group_add(group, channel)
    return channel


async def _undo(layer: Any, group: str, joining: "asyncio.Task[str]") -> None:
    with suppress(RedisError, OSError):
        channel = await joining
        await layer.group_discard(group, channel)
        with suppress(TimeoutError):
            async with asyncio.timeout(0):
                await layer.receive(channel)
