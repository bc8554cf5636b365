"""The order in which tokens of a request are read is the same at the API, the WebSocket and the ingress auth check."""

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from accounts import tokens
from desktops.tests.proxy.conftest import dial, routes, token_for

HEADER, SUBPROTOCOL, COOKIE, AUTHORIZATION = "X-User-Token", "subprotocol", "cookie", "Authorization"
OK, NOT_MINE, NO_TOKEN = "ok", "somebody else's", "no valid token"
# The meaning of the statuses of the API, the WebSocket and the ingress auth check.
MEANS = (
    {200: OK, 404: NOT_MINE, 401: NO_TOKEN},
    {101: OK, 404: NOT_MINE, 401: NO_TOKEN},
    {204: OK, 403: NOT_MINE, 401: NO_TOKEN},
)


@pytest.fixture
def token_answers(uvicorn, desktop, bob):
    """Return a function that sends these tokens to all three and returns their answers."""
    texts = {
        "alice": token_for(desktop),
        "bob": tokens.issue(bob, scope=tokens.TokenScope("sess_2")),
        "foreign": "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJzc28ifQ.c2lnbmF0dXJl",
        "empty": "",
    }
    site = f"http://127.0.0.1:{uvicorn.port}"

    def send(carried: dict[str, str]) -> tuple[str, ...]:
        headers = {HEADER: texts[carried[HEADER]]} if HEADER in carried else {}
        if AUTHORIZATION in carried:
            kind, _, whose = carried[AUTHORIZATION].partition(" ")
            headers[AUTHORIZATION] = f"{kind} {texts.get(whose, whose)}"
        cookies = {"podesk_direct": texts[carried[COOKIE]]} if COOKIE in carried else {}
        offered = texts[carried[SUBPROTOCOL]] if SUBPROTOCOL in carried else ""
        sent = headers | {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
        codes = (
            httpx.get(f"{site}/api/v1/pods/{desktop.object_name}", headers=sent).status_code,
            handshake(offered, sent),
            httpx.get(f"{site}/desktops/{desktop.pk}/gate/", headers=sent).status_code,
        )
        return tuple(means[code] for means, code in zip(MEANS, codes, strict=True))

    def handshake(offered: str, headers: dict[str, str]) -> int:
        try:
            with dial(uvicorn, routes(desktop)[0], offered, additional_headers=headers) as browser:
                return browser.response.status_code
        except InvalidStatus as refused:
            return refused.response.status_code

    return send


ALL, NONE = (OK, OK, OK), (NO_TOKEN, NO_TOKEN, NO_TOKEN)
TABLE = [
    # what is sent, and the answers of the API, the WebSocket and the ingress auth check
    ({}, NONE),
    ({HEADER: "alice"}, ALL),
    ({SUBPROTOCOL: "alice"}, (NO_TOKEN, OK, NO_TOKEN)),
    ({COOKIE: "alice"}, (NO_TOKEN, NO_TOKEN, OK)),
    ({AUTHORIZATION: "Bearer alice"}, ALL),
    ({AUTHORIZATION: "bearer alice"}, ALL),
    # The Authorization header of another proxy is ignored.
    ({HEADER: "alice", AUTHORIZATION: "Bearer foreign"}, ALL),
    ({HEADER: "alice", AUTHORIZATION: "Bearer bob"}, ALL),
    ({HEADER: "alice", AUTHORIZATION: "Basic YWxpY2U6eA=="}, ALL),
    ({SUBPROTOCOL: "alice", AUTHORIZATION: "Bearer foreign"}, (NO_TOKEN, OK, NO_TOKEN)),
    ({SUBPROTOCOL: "alice", AUTHORIZATION: "Bearer bob"}, (NOT_MINE, OK, NOT_MINE)),
    ({SUBPROTOCOL: "alice", AUTHORIZATION: "Basic YWxpY2U6eA=="}, (NO_TOKEN, OK, NO_TOKEN)),
    ({COOKIE: "alice", AUTHORIZATION: "Bearer foreign"}, (NO_TOKEN, NO_TOKEN, OK)),
    ({COOKIE: "alice", AUTHORIZATION: "Bearer bob"}, (NOT_MINE, NOT_MINE, OK)),
    ({COOKIE: "alice", AUTHORIZATION: "Basic YWxpY2U6eA=="}, (NO_TOKEN, NO_TOKEN, OK)),
    ({AUTHORIZATION: "Bearer foreign"}, NONE),
    ({AUTHORIZATION: "Basic YWxpY2U6eA=="}, NONE),
    # The header has priority, even if it is not valid.
    ({HEADER: "alice", SUBPROTOCOL: "bob", COOKIE: "bob", AUTHORIZATION: "Bearer bob"}, ALL),
    ({HEADER: "bob", SUBPROTOCOL: "alice", COOKIE: "alice", AUTHORIZATION: "Bearer alice"}, (NOT_MINE,) * 3),
    ({HEADER: "foreign", SUBPROTOCOL: "alice", COOKIE: "alice", AUTHORIZATION: "Bearer alice"}, NONE),
    ({HEADER: "empty", AUTHORIZATION: "Bearer alice"}, ALL),
    # Then come the subprotocol and the cookie, then Authorization.
    ({SUBPROTOCOL: "bob", AUTHORIZATION: "Bearer alice"}, (OK, NOT_MINE, OK)),
    ({SUBPROTOCOL: "foreign", AUTHORIZATION: "Bearer alice"}, (OK, NO_TOKEN, OK)),
    ({COOKIE: "bob", AUTHORIZATION: "Bearer alice"}, (OK, OK, NOT_MINE)),
    ({COOKIE: "foreign", AUTHORIZATION: "Bearer alice"}, (OK, OK, NO_TOKEN)),
    ({SUBPROTOCOL: "bob", COOKIE: "alice"}, (NO_TOKEN, NOT_MINE, OK)),
    ({SUBPROTOCOL: "alice", COOKIE: "bob"}, (NO_TOKEN, OK, NOT_MINE)),
]


@pytest.mark.parametrize(
    ("carried", "answers"), TABLE, ids=lambda value: "+".join(value) if isinstance(value, dict) else ""
)
def test_one_order_at_all_doors(token_answers, carried, answers):
    assert token_answers(carried) == answers


def test_two_tokens_in_one_place_are_none(uvicorn, desktop):
    site, text = f"http://127.0.0.1:{uvicorn.port}", token_for(desktop)
    twice = [(HEADER, text), (HEADER, text)]
    assert httpx.get(f"{site}/api/v1/pods/{desktop.object_name}", headers=twice).status_code == 401
    assert httpx.get(f"{site}/desktops/{desktop.pk}/gate/", headers=twice).status_code == 401
    for options in ({"additional_headers": twice}, {"subprotocols": [f"podesk.token.{text}", f"podesk.token.x{text}"]}):
        with pytest.raises(InvalidStatus) as refused, dial(uvicorn, routes(desktop)[0], **options):
            pass
        assert refused.value.response.status_code == 401
