"""Find the session token in a request, in one order for the API, the WebSockets and the ingress auth check.

1. `X-User-Token: …`, our own header.
2. The WebSocket subprotocol `podesk.token.…`, since a browser sets no header on a WebSocket.
3. The portal's own cookie, for the ingress auth check alone.
4. `Authorization: Bearer …`, last, since a single-sign-on proxy may put a token of its own there.

The first place that holds something is read, and no other: a token that is not valid there is refused.
URLs are never read, since they are logged.
"""

from collections.abc import Iterable, Mapping

SUBPROTOCOL_PREFIX = "podesk.token."


def token_from(headers: Mapping[str, str], *, subprotocols: Iterable[str] = (), cookie: str = "") -> str:
    """Return the token's text, or "" where there is none. `headers` is asked for names in lower case.

    A place that holds several tokens gives them joined by commas, which no check accepts.
    """
    places = (headers.get("x-user-token", ""), _offered(subprotocols), cookie, _bearer(headers))
    return next((text for place in places if (text := place.strip())), "")


def _offered(subprotocols: Iterable[str]) -> str:
    found = [each.removeprefix(SUBPROTOCOL_PREFIX) for each in subprotocols if each.startswith(SUBPROTOCOL_PREFIX)]
    return ",".join(found)


def _bearer(headers: Mapping[str, str]) -> str:
    kind, _, text = headers.get("authorization", "").strip().partition(" ")
    return text if kind.lower() == "bearer" else ""
