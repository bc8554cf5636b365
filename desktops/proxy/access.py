"""Who may connect: every check before accept. Synchronous, for one hop into a thread."""

from dataclasses import dataclass, field
from uuid import UUID

from cryptography.fernet import InvalidToken
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts import client, tokens
from core import encryption, origins
from desktops import selectors
from desktops.models import Desktop, Status
from desktops.proxy.asgi import Scope
from desktops.token_scopes import TOKEN_PREFIX

TOKEN_LIMIT = 8192  # characters
SSH_PORT = 22  # beside the screen's, at the same address

_REFUSALS: dict[str, tuple[int, Promise]] = {
    "foreign_origin": (403, _("This page may not open desktops. Open the desktop from the portal itself.")),
    "missing": (401, _("A session token is needed.")),
    "malformed": (401, _("The session token is not valid.")),
    "expired": (401, _("The session token has expired.")),
    "revoked": (401, _("The session token has been revoked.")),
    "not_permitted": (403, _("The session token does not permit this.")),
    "not_found": (404, _("There is no such desktop.")),
    "no_such_path": (404, _("There is no WebSocket at this address.")),
    "no_ssh": (404, _("There is no SSH where this desktop runs.")),
    "not_running": (409, _("This desktop is not running.")),
    "busy": (503, _("The portal cannot answer now. Try again in a moment.")),
}

# Refusals that an administrator should look at: a foreign page, a forged token, a portal that cannot answer.
SUSPICIOUS = ("foreign_origin", "malformed", "busy")


class Refused(Exception):
    """`slug` names a line of the table above; `detail` is for the log and holds no secret."""

    def __init__(self, slug: str, detail: str = "") -> None:
        super().__init__(detail or slug)
        self.slug = slug if slug in _REFUSALS else "malformed"
        self.detail = detail
        self.status, self.sentence = _REFUSALS[self.slug]


@dataclass(frozen=True)
class Admission:
    """One checked visit: whose, by which token, to which run of which desktop, and where that answers."""

    jti: str
    session_id: str
    user_id: str
    desktop_id: UUID
    run: int
    endpoint: tuple[str, str, int]  # kind, address, port
    password: str = field(repr=False)
    permission: str = "vnc"  # what of the desktop it visits: "vnc" or "ssh"


def admit(scope: Scope) -> Admission:
    """Raises Refused. Strangers learn nothing: what is not theirs is not found."""
    headers = [(name.lower().decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    if not origins.is_allowed(headers, scope.get("scheme", "ws")):
        raise Refused("foreign_origin", dict(headers).get("origin", "")[:200])
    try:
        text = _token(headers, scope.get("subprotocols") or [])
        claims = tokens.verify(text, used_from=_address(scope, headers))
    except tokens.TokenRefused as refused:
        raise Refused(refused.reason, str(refused))
    wanted = scope["url_route"]["kwargs"]
    permission = wanted.get("permission", "vnc")
    if permission not in claims.permissions:
        raise Refused("not_permitted")
    desktop = selectors.for_stream(claims)
    if wanted.get("user_id", claims.user_id) != claims.user_id:
        raise Refused("not_found", "the path names another user")
    if desktop is None or wanted.get("desktop_id", desktop.pk) != desktop.pk:
        raise Refused("not_found", "the token is for another desktop, or for none")
    if desktop.status != Status.RUNNING or not desktop.endpoint_kind:
        raise Refused("not_running", desktop.status)
    if permission == "ssh" and desktop.endpoint_kind != "tcp":
        raise Refused("no_ssh")
    return _admission(claims, desktop, permission)


def _admission(claims: tokens.Claims, desktop: Desktop, permission: str) -> Admission:
    try:
        password = encryption.unseal(desktop.vnc_password_sealed)
    except InvalidToken:
        raise Refused("busy", "none of SECRETS_KEYS opens this desktop's password")
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


def _address(scope: Scope, headers: list[tuple[str, str]]) -> str:
    peer = (scope.get("client") or ("", 0))[0]
    return client.address_of(peer, ",".join(value for name, value in headers if name == "x-forwarded-for"))


def _token(headers: list[tuple[str, str]], subprotocols: list[str]) -> str:
    """Never from the address: addresses are logged."""
    given = [text.removeprefix(TOKEN_PREFIX) for text in subprotocols if text.startswith(TOKEN_PREFIX)]
    for name, value in headers:
        if name == "x-user-token":
            given.append(value)
        elif name == "authorization" and value[:7].lower() == "bearer ":
            given.append(value[7:])
    if not given:
        raise Refused("missing")
    if len(given) > 1 or len(given[0]) > TOKEN_LIMIT:
        raise Refused("malformed", "several tokens, or one too long")
    return given[0].strip()
