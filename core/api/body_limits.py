"""Limit the size of API request bodies in ASGI, before Django writes a whole body to a file."""

from collections.abc import Awaitable, Callable
from typing import Any

from django.conf import settings

Receive = Callable[[], Awaitable[dict[str, Any]]]
Application = Callable[[dict[str, Any], Receive, Any], Awaitable[None]]


def bounded(application: Application) -> Application:
    """Wrap an application. The rest of a body is received and discarded, so that the client gets its 413 response."""

    async def serve(scope: dict[str, Any], receive: Receive, send: Any) -> None:
        below = scope["path"].startswith("/api/")
        await application(scope, _Cut(receive, settings.API_BODY_LIMIT + 1) if below else receive, send)

    return serve


class _Cut:
    def __init__(self, receive: Receive, left: int) -> None:
        self._receive, self._left = receive, left

    async def __call__(self) -> dict[str, Any]:
        message = await self._receive()
        while message["type"] == "http.request" and not self._left and message.get("more_body"):
            message = await self._receive()
        if message["type"] != "http.request":
            return message
        kept = message.get("body", b"")[: self._left]
        self._left -= len(kept)
        return message | {"body": kept}
