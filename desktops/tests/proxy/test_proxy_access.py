"""Every refusal happens before accept, on every route, without a connection to the desktop."""

import base64
import hashlib
import hmac
import json
import socket
from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from websockets.exceptions import InvalidStatus

from accounts import keys, revocation, tokens
from accounts.audit import Actor
from accounts.models import SessionToken, User
from accounts.services import set_active
from desktops.models import Desktop, Status
from desktops.tests.proxy.conftest import dial, greet, routes, token_for
from tests.support.running_podesk import wait_for

HANDSHAKE = (
    b"GET /ws/status/ HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
ROUTES = pytest.mark.parametrize("route", [0, 1], ids=["desktop", "user"])


def refusal(server, path, token="", **options) -> tuple[int, str]:
    """Return the status and the slug."""
    with pytest.raises(InvalidStatus) as refused, dial(server, path, token, **options):
        pass
    response = refused.value.response
    return response.status_code, response.headers.get("x-reason", "")


def _part(content: object) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=")


def unsigned(token: str) -> str:
    return b".".join([_part({"alg": "none", "typ": "JWT"}), token.split(".")[1].encode(), b""]).decode()


def signed_with_the_public_key(token: str) -> str:
    ring = keys.keyring()
    body = b".".join([_part({"alg": "HS256", "kid": ring.signing_kid}), token.split(".")[1].encode()])
    public = ring.public_keys[ring.signing_kid]
    secret = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    signature = base64.urlsafe_b64encode(hmac.digest(secret, body, hashlib.sha256)).rstrip(b"=")
    return b".".join([body, signature]).decode()


def signed_by_a_stranger(token: str) -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    claims = jwt.decode(token, options={"verify_signature": False})
    return jwt.encode(claims, key, algorithm="RS256", headers={"kid": keys.keyring().signing_kid})


def with_other_claims(token: str) -> str:
    header, _, signature = token.split(".")
    claims = jwt.decode(token, options={"verify_signature": False})
    body = _part(claims | {"permissions": ["vnc", "ssh"]}).decode()
    return f"{header}.{body}.{signature}"


@ROUTES
@pytest.mark.parametrize(
    "tamper", [unsigned, signed_with_the_public_key, signed_by_a_stranger, with_other_claims, lambda token: "x" * 7000]
)
def test_a_tampered_token_is_refused(uvicorn, desktop, vnc_server, route, tamper):
    token = tamper(token_for(desktop))
    assert refusal(uvicorn, routes(desktop)[route], token) == (401, "malformed")
    assert not vnc_server.open


@ROUTES
def test_no_token_is_refused_also_with_one_in_the_address(uvicorn, desktop, vnc_server, route):
    path = routes(desktop)[route]
    assert refusal(uvicorn, path) == (401, "missing")
    assert refusal(uvicorn, f"{path}?token={token_for(desktop)}") == (401, "missing")
    assert not vnc_server.open


@ROUTES
def test_an_endless_token_is_refused(uvicorn, desktop, vnc_server, route):
    assert refusal(uvicorn, routes(desktop)[route], "x" * 9000) == (431, "")
    assert not vnc_server.open


@ROUTES
def test_an_expired_token_is_refused(uvicorn, desktop, vnc_server, route):
    token = token_for(desktop, lifetime=timedelta(seconds=-5))
    assert refusal(uvicorn, routes(desktop)[route], token) == (401, "expired")
    assert not vnc_server.open


@ROUTES
def test_a_revoked_token_is_refused(uvicorn, desktop, vnc_server, route):
    token = token_for(desktop)
    revocation.revoke_session("sess_1", reason="logged_out")
    assert refusal(uvicorn, routes(desktop)[route], token) == (401, "revoked")
    assert not vnc_server.open


@ROUTES
def test_another_users_token_finds_nothing(uvicorn, desktop, bob, make_desktop, vnc_server, route):
    bobs = token_for(make_desktop(bob))
    assert refusal(uvicorn, routes(desktop)[route], bobs) == (404, "not_found")
    forged = token_for(desktop, user=bob)  # in case a token for alice's desktop is ever issued to bob
    assert refusal(uvicorn, routes(desktop)[route], forged) == (404, "not_found")
    assert refusal(uvicorn, f"/user/{bob.pk}/vnc", forged) == (404, "not_found")
    assert not vnc_server.open


def test_another_desktops_token_finds_nothing(uvicorn, desktop, make_desktop, vnc_server):
    other = make_desktop(desktop.owner, name="other")
    assert refusal(uvicorn, routes(desktop)[0], token_for(other)) == (404, "not_found")
    assert not vnc_server.open


@ROUTES
def test_a_token_of_a_desktop_that_is_gone_finds_nothing(uvicorn, desktop, route):
    token = token_for(desktop)
    Desktop.objects.all().delete()
    assert refusal(uvicorn, routes(desktop)[route], token) == (404, "not_found")


@ROUTES
def test_a_token_without_the_permission_is_refused(uvicorn, desktop, vnc_server, route):
    token = token_for(desktop, permissions=("ssh",))
    assert refusal(uvicorn, routes(desktop)[route], token) == (403, "not_permitted")
    assert not vnc_server.open


@ROUTES
@pytest.mark.parametrize("revoked_yet", [True, False])
def test_a_disabled_user_hears_it(uvicorn, desktop, vnc_server, admin, route, revoked_yet):
    token = token_for(desktop)
    if revoked_yet:
        set_active(user=desktop.owner, active=False, by=Actor(admin))
    else:
        User.objects.update(is_active=False)
    assert refusal(uvicorn, routes(desktop)[route], token) == (401, "disabled")
    assert not vnc_server.open


@ROUTES
@pytest.mark.parametrize("status", [status for status in Status if status != Status.RUNNING])
def test_a_desktop_that_does_not_run_is_refused(uvicorn, desktop, vnc_server, route, status):
    Desktop.objects.update(status=status)
    assert refusal(uvicorn, routes(desktop)[route], token_for(desktop)) == (409, "not_running")
    assert not vnc_server.open


@ROUTES
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://testserver.evil.example", "testserver", ""])
def test_a_foreign_page_is_refused(uvicorn, desktop, vnc_server, route, origin):
    answer = refusal(uvicorn, routes(desktop)[route], token_for(desktop), additional_headers={"Origin": origin})
    assert answer == (403, "foreign_origin")
    assert not vnc_server.open


def test_a_foreign_page_is_refused_also_when_it_lies_about_the_host(uvicorn, desktop, vnc_server):
    lies = {"Origin": "http://evil.example", "Host": "evil.example"}
    assert refusal(uvicorn, routes(desktop)[0], token_for(desktop), additional_headers=lies)[0] == 403
    assert not vnc_server.open


@ROUTES
def test_the_portals_own_pages_may_connect(uvicorn, desktop, route):
    for origin in ("http://testserver", f"http://127.0.0.1:{uvicorn.port}"):
        with dial(
            uvicorn, routes(desktop)[route], token_for(desktop), additional_headers={"Origin": origin}
        ) as browser:
            assert greet(browser)


@ROUTES
def test_daphne_refuses_too(daphne, desktop, bob, make_desktop, vnc_server, route):
    path = routes(desktop)[route]
    for token in ("", unsigned(token_for(desktop)), token_for(make_desktop(bob))):
        assert refusal(daphne, path, token)[0] == 403
    assert refusal(daphne, path, token_for(desktop), additional_headers={"Origin": "https://evil.example"})[0] == 403
    assert not vnc_server.open


def test_a_refusal_is_logged_with_its_reason_and_without_the_token(uvicorn, desktop, bob):
    token = token_for(desktop, user=bob)
    refusal(uvicorn, routes(desktop)[0], token)
    line = next(line for line in reversed(uvicorn.log.splitlines()) if "stream_refused" in line)
    assert "not_found" in line and str(desktop.pk) in line
    assert token not in uvicorn.log and token.split(".")[2] not in uvicorn.log


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/ws/desktops/11111111-1111-1111-1111-111111111111/vnc", (401, "missing")),
        ("/ws/status/", (403, "")),  # not signed in
        ("/ws/no/such/path", (404, "no_such_path")),
    ],
)
def test_an_ordinary_refusal_is_no_error_in_the_log(uvicorn, committed, path, answer):
    before = len(uvicorn.log)
    assert refusal(uvicorn, path) == answer
    assert refusal(uvicorn, "/ws/status/") == (403, "")  # by now the server has logged the first refusal
    said = uvicorn.log[before:]
    assert "[error" not in said and "Traceback" not in said and "handshake" not in said, said


def test_a_page_left_before_its_socket_opens_is_no_warning(uvicorn, committed):
    before = len(uvicorn.log)
    for _ in range(10):
        with socket.create_connection(("127.0.0.1", uvicorn.port)) as page:
            page.sendall(HANDSHAKE)
    assert refusal(uvicorn, "/ws/status/") == (403, "")
    wait_for(lambda: "page_left" in uvicorn.log[before:] or "[warning" in uvicorn.log[before:])
    assert "[warning" not in uvicorn.log[before:] and "[error" not in uvicorn.log[before:]


def test_a_script_needs_no_subprotocol(uvicorn, desktop):
    headers = {"X-User-Token": token_for(desktop)}
    with dial(uvicorn, routes(desktop)[0], subprotocols=None, additional_headers=headers) as browser:
        assert browser.subprotocol is None
        greet(browser)


def test_the_use_of_a_token_that_is_kept_is_noted(uvicorn, desktop):
    scope = tokens.TokenScope(session_id="s", pod_name=desktop.object_name)
    with dial(uvicorn, routes(desktop)[0], tokens.issue(desktop.owner, scope=scope, label="kept")) as browser:
        greet(browser)
    assert SessionToken.objects.get().last_used_from == "127.0.0.1"
