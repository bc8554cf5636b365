"""Notify a person's open pages that a desktop changed. Messages carry no details; the page requests them."""

import asyncio
from concurrent.futures import Future
from functools import cache
from threading import Lock, Thread
from typing import Any
from uuid import UUID

import structlog
from channels.layers import get_channel_layer
from django.db import transaction

log = structlog.get_logger("podesk.notify")
_starting = Lock()


def owner_group(user_id: Any) -> str:
    return f"user-{user_id}"


def notify_owner_after_commit(*, owner_id: UUID, desktop_id: UUID, status: str) -> None:
    """Send the message after commit, without waiting. If it is lost, pages still update because they also poll."""
    message = {"type": "desktop.changed", "desktop": str(desktop_id), "status": str(status)}
    transaction.on_commit(lambda: _send(owner_group(owner_id), message), robust=True)


def _send(group: str, message: dict[str, str]) -> None:
    layer: Any = get_channel_layer()
    sent = asyncio.run_coroutine_threadsafe(layer.group_send(group, message), _loop())
    sent.add_done_callback(_log_failure)


def _loop() -> asyncio.AbstractEventLoop:
    """Return the one event loop that sends this process's messages.

    Each further loop would need its own connection to Redis. The lock prevents two threads from creating two loops,
    which `cache` alone allows.
    """
    with _starting:
        return _start_loop()


@cache
def _start_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    Thread(target=loop.run_forever, name="notify", daemon=True).start()
    return loop


def _log_failure(sent: "Future[None]") -> None:
    if error := sent.exception():  # Redis is unavailable
        log.warning("notification_not_sent", error=str(error))
