"""`?wait=SECONDS`: hold the answer until a desktop has come to rest, or the time is over.

The one who waits holds the thread that Django made for this request, and nothing that others need: no connection to
the database, no place in a pool. He is woken by what open pages are told too, and looks now and then, should a message
be lost."""

import asyncio
from typing import Any, Self
from uuid import UUID

import structlog
from asgiref.sync import async_to_sync, sync_to_async
from channels.layers import get_channel_layer
from django.db import close_old_connections
from redis import RedisError

from desktops.models import MOVING, Desktop
from desktops.notify import group_of

log = structlog.get_logger("podesk.api")
_LOOK = 2.0  # seconds between two looks, though nothing was heard
_LOOK_DEAF = 1.0  # while Redis is away


def until_settled(desktop: Desktop, seconds: int) -> Desktop | None:
    """The row as it is then; None: it is gone. When the client goes away, at once: whatever is answered now is kept for
    its Idempotency-Key."""
    if not seconds:
        return desktop
    try:
        async_to_sync(_watch)(desktop, seconds)
    except asyncio.CancelledError:
        log.info("client_gone", desktop=str(desktop.pk))
    return _row(desktop.pk)


async def _watch(desktop: Desktop, seconds: int) -> None:
    async with Ear(group_of(desktop.owner_id)) as ear:  # before the first look: no change is missed between
        clock = asyncio.get_running_loop().time
        end = clock() + seconds
        while not await sync_to_async(_is_settled)(desktop.pk) and (left := end - clock()) > 0:
            await ear.hear(left)


def _is_settled(desktop_id: UUID) -> bool:
    """In the request's own thread."""
    try:
        row = _row(desktop_id)
        return row is None or row.status not in MOVING
    finally:
        close_old_connections()


def _row(desktop_id: UUID) -> Desktop | None:
    return Desktop.objects.select_related("image", "volume", "owner").filter(pk=desktop_id).first()


class Ear:
    """Hears that something of a person's desktops changed. Without Redis it is deaf, and only sleeps."""

    def __init__(self, group: str) -> None:
        self._group, self._layer = group, get_channel_layer()
        self._channel = ""
        self._next: asyncio.Task[Any] | None = None

    async def __aenter__(self) -> Self:
        try:
            self._channel = await self._layer.new_channel()
            await self._layer.group_add(self._group, self._channel)
            self._next = self._listen()
        except (RedisError, OSError) as error:
            log.warning("waits_deaf", error=str(error))
        return self

    async def hear(self, seconds: float) -> None:
        """Returns when there is a reason to look."""
        if self._next is None:
            await asyncio.sleep(min(seconds, _LOOK_DEAF))
            return
        await asyncio.wait({self._next}, timeout=min(seconds, _LOOK))
        if self._next.done():
            self._next = None if self._next.exception() else self._listen()

    async def __aexit__(self, *_: object) -> None:
        if self._next is None:
            return
        self._next.cancel()  # which also gives the channel back
        await asyncio.wait({self._next}, timeout=_LOOK)
        try:
            await self._layer.group_discard(self._group, self._channel)
        except (RedisError, OSError) as error:
            log.info("group_not_left", error=str(error))

    def _listen(self) -> "asyncio.Task[Any]":
        return asyncio.create_task(self._layer.receive(self._channel))
