"""The words of ASGI, once."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
DIRECT = "podesk.direct"  # ASGI extension: {"connection": desktops.proxy.direct_relay.Connection}
Send = Callable[[Message], Awaitable[None]]
