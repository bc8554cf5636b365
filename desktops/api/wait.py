"""`?wait=SECONDS`: hold the answer until a desktop has come to rest, the time is over, or the server stops.

The one who waits holds the thread that Django made for this request, and nothing that others need: no connection to
the database, no place in a pool. He is woken by what open pages are told too, and looks now and then, should a message
be lost."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

import structlog
from asgiref.sync import async_to_sync, sync_to_async
from django.db import close_old_connections

from accounts.models import User
from desktops.api import channel_listener, shutdown
from desktops.models import MOVING, Desktop, Volume
from desktops.notify import owner_group

log = structlog.get_logger("podesk.api")
_LOOK = 2.0  # seconds between two looks, though nothing was heard
_LEAVE = 1.0  # seconds that Redis may take to let one go

IsOver = Callable[[Desktop], bool]


def until_settled(desktop: Desktop, seconds: int) -> Desktop | None:
    """Return the row as it is then, or None when it is gone. When the client goes away, return at once: whatever is
    answered now is kept for its Idempotency-Key."""
    if not seconds:
        return desktop
    _hold(desktop, seconds, _is_settled)
    return _row(desktop.pk)


def until_gone(desktop: Desktop, seconds: int) -> bool:
    """Return whether the desktop is gone, and its files with it if they were to go. Without `seconds`: False."""
    if not seconds:
        return False
    _hold(desktop, seconds, _is_gone)
    return _is_gone(desktop)


def _hold(desktop: Desktop, seconds: int, is_over: IsOver) -> None:
    try:
        async_to_sync(_watch)(desktop, seconds, is_over)
    except asyncio.CancelledError:
        log.info("client_gone", desktop=str(desktop.pk))


async def _watch(desktop: Desktop, seconds: int, is_over: IsOver) -> None:
    clock = asyncio.get_running_loop().time
    end = clock() + seconds
    woken = asyncio.Event()
    listening = asyncio.create_task(channel_listener.listen(owner_group(desktop.owner_id), woken))
    try:
        while not await sync_to_async(_look)(desktop, is_over) and (left := end - clock()) > 0:
            if shutdown.has_begun():
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(woken.wait(), min(left, _LOOK))
            woken.clear()
    finally:
        listening.cancel()
        await asyncio.wait({listening}, timeout=_LEAVE)


def _look(desktop: Desktop, is_over: IsOver) -> bool:
    """In the request's own thread. A wait is also over when its asker's account is disabled."""
    try:
        return is_over(desktop) or not User.objects.filter(pk=desktop.owner_id, is_active=True).exists()
    finally:
        close_old_connections()


def _is_settled(desktop: Desktop) -> bool:
    row = _row(desktop.pk)
    return row is None or row.status not in MOVING


def _is_gone(desktop: Desktop) -> bool:
    """In this order: the desktop goes in the same transaction that decides about its files."""
    if Desktop.objects.filter(pk=desktop.pk).exists():
        return False
    return not Volume.being_deleted().filter(pk=desktop.volume_id).exists()


def _row(desktop_id: UUID) -> Desktop | None:
    return Desktop.objects.select_related("image", "volume", "owner").filter(pk=desktop_id).first()
