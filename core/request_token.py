"""Find the session token in a request, in one order for the API, the WebSockets and the ingress auth check.

1. The `X-User-Token: …` header.
2. The WebSocket subprotocol `podesk.token.…`, since browsers cannot set headers on a WebSocket.
3. The portal's own cookie, for the ingress auth check only.
4. The `Authorization: Bearer …` header, last, since a single-sign-on proxy may put its own token there.

Only the first place that holds a token is read: an invalid token there is refused.
URLs are never read, since they are logged.
"""

from collections.abc import Iterable, Mapping

SUBPROTOCOL_PREFIX = "podesk.token."


def token_from(headers: Mapping[str, str], *, subprotocols: Iterable[str] = (), cookie: str = "") -> str:
    """Return the token's text, or "" if there is none. Names in `headers` must be lower-case.

    Several tokens in one place are joined by commas; no check accepts the result.
    """
    places = (headers.get("x-user-token", ""), _offered(subprotocols), cookie, _bearer(headers))
    return next((text for place in places if (text := place.strip())), "")


def _offered(subprotocols: Iterable[str]) -> str:
    found = [each.removeprefix(SUBPROTOCOL_PREFIX) for each in subprotocols if each.startswith(SUBPROTOCOL_PREFIX)]
    return ",".join(found)


def _bearer(headers: Mapping[str, str]) -> str:
    kind, _, text = headers.get("authorization", "").strip().partition(" ")
    return text if kind.lower() == "bearer" else ""
