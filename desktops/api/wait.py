"""Delay an answer (`?wait=SECONDS`) until a desktop has a final status, files are gone, or the time is over.

A waiting request holds only the thread that Django created for it: no database connection, and no slot of a pool. It
is woken by the messages that open pages get, and it also checks regularly in case a message is lost. It ends when the
server stops.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from uuid import UUID

import structlog
from asgiref.sync import async_to_sync, sync_to_async
from django.db import close_old_connections

from accounts.models import User
from desktops.api import channel_listener, shutdown
from desktops.models import MOVING, BackupTask, Desktop, Volume
from desktops.notify import owner_group

log = structlog.get_logger("podesk.api")
_CHECK_INTERVAL = 2.0  # seconds between two checks without a message
_CLEANUP_TIMEOUT = 1.0  # seconds

IsOver = Callable[[], bool]


def until_final(desktop: Desktop, seconds: int) -> Desktop | None:
    """Wait until the desktop has a final status, and return its row, or None if it was deleted.

    If the client disconnects, return at once: the answer is then stored for the request's Idempotency-Key.
    """
    if not seconds:
        return desktop
    _hold(desktop.owner_id, seconds, partial(_is_final, desktop.pk))
    return _row(desktop.pk)


def until_gone(desktop: Desktop, seconds: int) -> bool:
    """Wait until the desktop and the files to delete with it are gone, and return whether they are.

    Without `seconds`, return False at once.
    """
    if not seconds:
        return False
    _hold(desktop.owner_id, seconds, partial(_is_gone, desktop))
    return _is_gone(desktop)


def until_volume_gone(volume: Volume, seconds: int, backup: BackupTask | None = None) -> bool:
    """Wait until nothing is left of a home folder that is being deleted, and return whether that is so.

    With the backup before its deletion, also stop waiting if the home folder remains after that. Without `seconds`,
    return False at once.
    """
    if not seconds:
        return False
    _hold(volume.owner_id, seconds, lambda: not _is_open(backup) and _is_volume_gone(volume.pk))
    return not Volume.objects.filter(pk=volume.pk).exists()


def until_backup_task_ended(task: BackupTask, seconds: int) -> None:
    """Wait until a backup or restore has ended, or the time is over."""
    if seconds:
        _hold(task.repository.owner_id, seconds, lambda: not _is_open(task))


def _hold(owner_id: UUID, seconds: int, is_over: IsOver) -> None:
    try:
        async_to_sync(_watch)(owner_id, seconds, is_over)
    except asyncio.CancelledError:
        log.info("client_disconnected")


async def _watch(owner_id: UUID, seconds: int, is_over: IsOver) -> None:
    clock = asyncio.get_running_loop().time
    end = clock() + seconds
    woken = asyncio.Event()
    listening = asyncio.create_task(channel_listener.listen(owner_group(owner_id), woken))
    try:
        while not await sync_to_async(_check)(owner_id, is_over) and (left := end - clock()) > 0:
            if shutdown.has_begun():
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(woken.wait(), min(left, _CHECK_INTERVAL))
            woken.clear()
    finally:
        listening.cancel()
        await asyncio.wait({listening}, timeout=_CLEANUP_TIMEOUT)


def _check(owner_id: UUID, is_over: IsOver) -> bool:
    """Return whether the wait is over, or the account was disabled. Runs in the request's own thread."""
    try:
        return is_over() or not User.objects.filter(pk=owner_id, is_active=True).exists()
    finally:
        close_old_connections()


def _is_final(desktop_id: UUID) -> bool:
    row = _row(desktop_id)
    return row is None or row.status not in MOVING


def _is_gone(desktop: Desktop) -> bool:
    """Return whether the desktop and the files to delete with it are gone.

    The desktop is checked first, since the transaction that deletes it also decides whether its files are kept.
    """
    if Desktop.objects.filter(pk=desktop.pk).exists():
        return False
    return _is_volume_gone(desktop.volume_id)


def _is_open(task: BackupTask | None) -> bool:
    return task is not None and BackupTask.objects.filter(pk=task.pk, status__in=BackupTask.OPEN).exists()


def _is_volume_gone(volume_id: UUID) -> bool:
    """Return whether the home folder is not being deleted: nothing of it is left, or it is kept."""
    return not Volume.being_deleted().filter(pk=volume_id).exists()


def _row(desktop_id: UUID) -> Desktop | None:
    return Desktop.objects.select_related("image", "volume", "owner").filter(pk=desktop_id).first()
