"""Tell a person's open pages that a desktop changed. Only the fact travels; the page asks for the rest."""

from typing import Any
from uuid import UUID

import structlog
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction
from redis import RedisError

log = structlog.get_logger("podesk.notify")


def group_of(user_id: Any) -> str:
    return f"user-{user_id}"


def after_commit(*, owner_id: UUID, desktop_id: UUID) -> None:
    transaction.on_commit(lambda: _send(owner_id, desktop_id))


def _send(owner_id: UUID, desktop_id: UUID) -> None:
    layer: Any = get_channel_layer()
    try:
        async_to_sync(layer.group_send)(group_of(owner_id), {"type": "desktop.changed", "desktop": str(desktop_id)})
    except (RedisError, OSError) as error:  # the pages poll when they hear nothing
        log.warning("page_not_told", desktop=str(desktop_id), error=str(error))
