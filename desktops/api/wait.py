"""`?wait=SECONDS`: hold the answer until a desktop has come to rest, or the time is over.

The one who waits holds the thread that Django made for this request, and nothing that others need: no connection to
the database, no place in a pool. He is woken by what open pages are told too, and looks now and then, should a message
be lost."""

import asyncio
from contextlib import suppress
from uuid import UUID

import structlog
from asgiref.sync import async_to_sync, sync_to_async
from django.db import close_old_connections

from desktops.api import ear
from desktops.models import MOVING, Desktop
from desktops.notify import group_of

log = structlog.get_logger("podesk.api")
_LOOK = 2.0  # seconds between two looks, though nothing was heard
_LEAVE = 1.0  # seconds that Redis may take to let one go


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
    clock = asyncio.get_running_loop().time
    end = clock() + seconds
    woken = asyncio.Event()
    listening = asyncio.create_task(ear.listen(group_of(desktop.owner_id), woken))
    try:
        while not await sync_to_async(_is_settled)(desktop.pk) and (left := end - clock()) > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(woken.wait(), min(left, _LOOK))
            woken.clear()
    finally:
        listening.cancel()
        await asyncio.wait({listening}, timeout=_LEAVE)


def _is_settled(desktop_id: UUID) -> bool:
    """In the request's own thread."""
    try:
        row = _row(desktop_id)
        return row is None or row.status not in MOVING
    finally:
        close_old_connections()


def _row(desktop_id: UUID) -> Desktop | None:
    return Desktop.objects.select_related("image", "volume", "owner").filter(pk=desktop_id).first()
