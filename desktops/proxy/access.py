"""Check whether a client may connect, before the WebSocket is accepted.

The checks are synchronous so that all of them run in a single call to a thread.
"""

from dataclasses import dataclass, field
from uuid import UUID

from cryptography.fernet import InvalidToken
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts import tokens
from accounts.models import User
from core import client_address, encryption, origins
from core.request_token import token_from
from desktops import selectors
from desktops.models import Desktop, Status
from desktops.proxy.asgi import Scope

SSH_PORT = 22  # at the same address as the VNC port

_REFUSALS: dict[str, tuple[int, Promise]] = {
    "foreign_origin": (403, _("This page may not open desktops. Open the desktop from the portal itself.")),
    "missing": (401, _("A session token is needed.")),
    "malformed": (401, _("The session token is not valid.")),
    "expired": (401, _("The session token has expired.")),
    "revoked": (401, _("The session token has been revoked.")),
    "disabled": (401, _("Your account has been disabled.")),
    "not_permitted": (403, _("The session token does not permit this.")),
    "not_found": (404, _("There is no such desktop.")),
    "no_such_path": (404, _("There is no WebSocket at this address.")),
    "no_ssh": (404, _("This desktop does not offer SSH.")),
    "not_running": (409, _("This desktop is not running.")),
    "busy": (503, _("The portal is unavailable at present. Try again in a moment.")),
}

# Logged as warnings for administrators: a page of another site, a forged token, a portal that cannot answer.
SUSPICIOUS = ("foreign_origin", "malformed", "busy")


class StreamRefused(Exception):
    """The client may not connect. `slug` is a key of _REFUSALS; `detail` is for the log and contains no secret."""

    def __init__(self, slug: str, detail: str = "") -> None:
        super().__init__(detail or slug)
        self.slug = slug if slug in _REFUSALS else "malformed"
        self.detail = detail
        self.status, self.sentence = _REFUSALS[self.slug]


@dataclass(frozen=True)
class Admission:
    """An allowed connection: its user, its token, the run of the desktop, and the desktop's address."""

    jti: str
    session_id: str
    user_id: str
    desktop_id: UUID
    run: int
    endpoint: tuple[str, str, int]  # kind, address, port
    password: str = field(repr=False)
    permission: str = "vnc"  # the part of the desktop that it connects to: "vnc" or "ssh"


def admit(scope: Scope) -> Admission:
    """Check a WebSocket request and return its admission.

    Desktops of other users are "not_found", so that a client cannot find out which desktops exist.

    Raises:
        StreamRefused: the client may not connect.
    """
    headers = [(name.lower().decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    if not origins.is_allowed(headers, scope.get("scheme", "ws")):
        raise StreamRefused("foreign_origin", dict(headers).get("origin", "")[:200])
    named = _by_name(headers)
    try:
        text = token_from(named, subprotocols=scope.get("subprotocols") or [])
        claims = tokens.verify(text, used_from=_address(scope, named))
    except tokens.TokenRefused as refused:
        raise StreamRefused(refused.reason, str(refused))
    wanted = scope["url_route"]["kwargs"]
    permission = wanted.get("permission", "vnc")
    if permission not in claims.permissions:
        raise StreamRefused("not_permitted")
    desktop = selectors.for_stream(claims)
    if wanted.get("user_id", claims.user_id) != claims.user_id:
        raise StreamRefused("not_found", "the path names another user")
    if desktop is None and _is_disabled(claims.user_id):
        raise StreamRefused("disabled", "its tokens are not revoked yet")
    if desktop is None or wanted.get("desktop_id", desktop.pk) != desktop.pk:
        raise StreamRefused("not_found", "the token is for another desktop, or for none")
    if desktop.status != Status.RUNNING or not desktop.endpoint_kind:
        raise StreamRefused("not_running", desktop.status)
    if permission == "ssh" and desktop.endpoint_kind != "tcp":
        raise StreamRefused("no_ssh")
    return _admission(claims, desktop, permission)


def _is_disabled(user_id: str) -> bool:
    return User.objects.filter(pk=user_id, is_active=False).exists()


def _admission(claims: tokens.Claims, desktop: Desktop, permission: str) -> Admission:
    try:
        password = encryption.decrypt(desktop.vnc_password_sealed)
    except InvalidToken:
        raise StreamRefused("busy", "none of SECRETS_KEYS opens this desktop's password")
    return Admission(
        jti=claims.jti,
        session_id=claims.session_id,
        user_id=claims.user_id,
        desktop_id=desktop.pk,
        run=desktop.run,
        endpoint=(
            desktop.endpoint_kind,
            desktop.endpoint_address,
            SSH_PORT if permission == "ssh" else desktop.endpoint_port,
        ),
        password=password,
        permission=permission,
    )


def _address(scope: Scope, headers: dict[str, str]) -> str:
    peer = (scope.get("client") or ("", 0))[0]
    return client_address.address_of(peer, headers.get("x-forwarded-for", ""))


def _by_name(headers: list[tuple[str, str]]) -> dict[str, str]:
    """Return the headers by name. Repeated headers are joined with a comma, as Django does for HTTP requests."""
    found: dict[str, str] = {}
    for name, value in headers:
        found[name] = f"{found[name]},{value}" if name in found else value
    return found
