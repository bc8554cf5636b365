"""Listen on the channel layer for changes to a user's desktops, and leave the layer clean afterwards."""

import asyncio
from contextlib import suppress
from typing import Any

import structlog
from channels.layers import get_channel_layer
from redis import RedisError

from core.redis import client
from desktops.api import shutdown

log = structlog.get_logger("podesk.events")
REJOIN = 5.0  # seconds until the next attempt to listen
_undoing: set[asyncio.Task[None]] = set()  # the event loop has only weak references to tasks


async def listen(group: str, woken: asyncio.Event) -> None:
    """Set `woken` for each change until this task is cancelled. Run it as a separate task.

    Without Redis, `woken` is set only when the server stops, so callers must also check for changes regularly.
    """
    shutdown.register(woken)
    layer: Any = get_channel_layer()
    while True:
        channel = ""
        try:
            await asyncio.to_thread(
                client().ping
            )  # without Redis, the subscription would fail and leave its channel in the layer
            channel = await _joined(layer, group)
            woken.set()  # for changes before the subscription
            while await layer.receive(channel):
                woken.set()
        except (RedisError, OSError) as error:
            log.info("listening_failed", error=str(error))
        finally:
            with suppress(RedisError, OSError):
                await layer.group_discard(group, channel)
        await asyncio.sleep(REJOIN)


async def _joined(layer: Any, group: str) -> str:
    """Add a new channel to the group and return its name.

    If this is cancelled, the channel is removed as soon as its name is known: the layer itself removes a channel only
    while a task receives from it.
    """
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
