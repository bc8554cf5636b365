"""Notify the open pages of a user that a desktop changed. The pages then request the details."""

import asyncio
from typing import Any

import structlog
from channels.auth import get_user
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from redis import RedisError
from uvicorn.protocols.utils import ClientDisconnected

from core import keepalive, origins
from desktops.notify import owner_group

log = structlog.get_logger("podesk.status")
LOGIN_CHECK_INTERVAL = 30.0  # seconds between two checks of the login
LOGIN_OVER, TRY_LATER = 4401, 1013  # close codes


class StatusConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]  # channels has no types
    group = ""
    watch: asyncio.Task[None] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        except ClientDisconnected:  # an OSError: the page was left before its socket opened
            log.info("page_left")
        except (RedisError, OSError) as error:  # the page polls until it reconnects
            log.warning("no_channel_layer", error=str(error))
            await send({"type": "websocket.close", "code": TRY_LATER})

    async def connect(self) -> None:
        user = self.scope["user"]
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self.scope["headers"]]
        if not user.is_authenticated or not origins.is_allowed(headers, self.scope.get("scheme", "ws")):
            await self.close()  # before accept, so the handshake answers 403
            return
        self.group = owner_group(user.pk)
        await self.channel_layer.group_add(self.group, self.channel_name)
        offered = keepalive.SUBPROTOCOL in self.scope.get("subprotocols", [])
        await self.accept(keepalive.SUBPROTOCOL if offered else None)
        self.watch = asyncio.create_task(self._watch_login(self.scope["session"]))

    async def disconnect(self, code: int) -> None:
        if self.watch:
            self.watch.cancel()
        if self.group:
            try:
                await self.channel_layer.group_discard(self.group, self.channel_name)
            except (RedisError, OSError) as error:
                log.info("group_not_left", error=str(error))

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any) -> None:
        """Answer keepalive messages. Pages send nothing else here, so other texts are not parsed."""
        if text_data == keepalive.PING:
            await self.send(text_data=keepalive.PONG)

    async def desktop_changed(self, event: dict[str, Any]) -> None:
        await self.send_json({"desktop": event["desktop"], "status": event["status"]})

    async def _watch_login(self, session: SessionBase) -> None:
        """Close the socket when the login ends. The page then refreshes and is redirected to the login."""
        while True:
            await asyncio.sleep(LOGIN_CHECK_INTERVAL)
            if not await _is_signed_in(str(session.session_key)):
                await self.close(code=LOGIN_OVER)
                return


async def _is_signed_in(key: str) -> bool:
    session = await database_sync_to_async(_stored)(key)
    user = await get_user({"session": session})
    return bool(user.is_authenticated)


def _stored(key: str) -> SessionBase:
    """Load the current session from the store, because the socket has an old copy."""
    from importlib import import_module

    store: SessionBase = import_module(settings.SESSION_ENGINE).SessionStore(key)
    store.get("", None)  # load it here, not on the event loop
    return store
