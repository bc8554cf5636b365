"""Types of ASGI applications, and the extension through which a server offers its connection."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
# ASGI extension: {"connection": desktops.proxy.browser_connection.WebSocketConnection}
DIRECT = "podesk.direct"
Send = Callable[[Message], Awaitable[None]]
