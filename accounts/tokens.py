"""Issue and verify session tokens.

They are JWTs signed with RS256. Besides the registered claims iss, jti, iat and exp they have user_id, session_id,
pod_name, created_at, expires_at, permissions and resource_quota.
"""

import secrets
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid4

import jwt
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts import keys, metrics, revocation
from accounts.models import SessionToken, User

PERMISSIONS = ("vnc", "ssh")
LONGEST = 8 * 1024  # characters; our tokens have about 900
_REQUIRED = ["iss", "jti", "iat", "exp", "user_id", "session_id", "pod_name", "permissions"]
_CLOCKS_DIFFER = 30  # seconds by which another replica's clock may be ahead


class TokenRefused(Exception):
    """The token is not accepted. The exception's text is for the log and never contains the token.

    `reason` is missing, malformed, unknown_key, expired, revoked or disabled; the last one means the account.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason = reason


@dataclass(frozen=True)
class Claims:
    """The content of a verified token."""

    jti: str
    user_id: str
    session_id: str
    pod_name: str  # object name of the only desktop it opens; empty for all
    permissions: frozenset[str]
    created_at: datetime
    expires_at: datetime
    resource_quota: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TokenScope:
    """What a token gives access to. Empty `pod_name`: all desktops of its user."""

    session_id: str
    pod_name: str = ""
    permissions: tuple[str, ...] = ("vnc",)
    resource_quota: dict[str, Any] = field(default_factory=dict)
    issuer_session: str = ""  # session of the token that it is made with, if that is another one


@dataclass(frozen=True)
class Validity:
    """The validity of a token in whole seconds, as in a JWT, so that row and token agree."""

    created_at: datetime
    expires_at: datetime
    refresh_until: datetime | None = None  # None: the token cannot be refreshed


def validity_from_now(lifetime: timedelta | None = None) -> Validity:
    """Return a validity that starts now. `lifetime` None: the TOKEN_LIFETIME setting."""
    now = timezone.now().replace(microsecond=0)
    return Validity(now, now + (lifetime or timedelta(seconds=settings.TOKEN_LIFETIME)))


def fresh_session_id() -> str:
    return f"sess_{secrets.token_urlsafe(18)}"


def issue(user: User, *, scope: TokenScope, lifetime: timedelta | None = None, label: str = "") -> str:
    """Return a new signed token, which is not stored. Raises TokenRefused("disabled"), ValueError."""
    return issue_row(user, scope=scope, validity=validity_from_now(lifetime), label=label)[0]


def issue_row(user: User, *, scope: TokenScope, validity: Validity, label: str = "") -> tuple[str, SessionToken]:
    """Return a new signed token and its database row. Raises like issue()."""
    if unknown := set(scope.permissions) - set(PERMISSIONS):
        raise ValueError(f"unknown permissions: {sorted(unknown)}")
    token = SessionToken(
        id=uuid4(),
        user=user,
        session_id=scope.session_id,
        issuer_session=scope.issuer_session,
        pod_name=scope.pod_name,
        permissions=list(scope.permissions),
        label=label,
        **asdict(validity),
    )
    with transaction.atomic():
        _refuse_disabled(user)
        token.save(force_insert=True)
        if not label:  # a page uses it at once; for a kept token the first use is to be recorded
            revocation.remember_valid_after_commit(token.pk)
    return _sign(token, scope.resource_quota), token


def _refuse_disabled(user: User) -> None:
    # Locked: a concurrent disabling waits for this token's row, and then revokes it too.
    if not User.objects.select_for_update(no_key=True).filter(pk=user.pk, is_active=True).exists():
        raise TokenRefused("disabled", f"user {user.pk} is not active")


def _sign(token: SessionToken, resource_quota: dict[str, Any]) -> str:
    ring = keys.keyring()
    claims = {
        "iss": settings.INSTALLATION_ID,
        "jti": str(token.pk),
        "iat": int(token.created_at.timestamp()),
        "exp": int(token.expires_at.timestamp()),
        "user_id": str(token.user_id),
        "session_id": token.session_id,
        "pod_name": token.pod_name,
        "created_at": _iso(token.created_at),
        "expires_at": _iso(token.expires_at),
        "permissions": token.permissions,
        "resource_quota": resource_quota,
    }
    return jwt.encode(claims, ring.signing_key, algorithm="RS256", headers={"kid": ring.signing_kid})


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def verify(text: str, *, used_from: str = "") -> Claims:
    """Return the claims of a valid token. Raises TokenRefused.

    Reads Redis and sometimes the database: call it from a thread, not from an event loop. `used_from` is an IP
    address, which is stored with the token's row.
    """
    try:
        return _verified(text, used_from)
    except TokenRefused as refused:
        metrics.count_refused_token(refused.reason)
        raise


def _verified(text: str, used_from: str) -> Claims:
    if not text:
        raise TokenRefused("missing")
    if len(text) > LONGEST:
        raise TokenRefused("malformed", "too long")
    claims = _signed(text, keys.keyring(), settings.INSTALLATION_ID)
    if claims.expires_at <= timezone.now():
        raise TokenRefused("expired")
    if revocation.is_revoked(claims.jti, used_from=used_from):
        raise TokenRefused(revocation.refusal_of_revoked(claims.jti))
    return claims


@lru_cache(maxsize=4096)
def _signed(text: str, ring: keys.Keyring, issuer: str) -> Claims:
    """Return the claims of a token signed by one of our keys; expiry is not checked. Refusals are not cached."""
    try:
        kid = jwt.get_unverified_header(text).get("kid")
        if kid not in ring.public_keys:
            raise TokenRefused("unknown_key")
        payload = jwt.decode(
            text,
            ring.public_keys[kid],
            algorithms=["RS256"],
            issuer=issuer,
            leeway=_CLOCKS_DIFFER,
            options={
                "require": _REQUIRED,
                "verify_exp": False,
            },  # this result is cached, so expiry is checked separately
        )
        return _claims(payload)
    except jwt.PyJWTError as error:
        raise TokenRefused("malformed", type(error).__name__) from None
    except (TypeError, ValueError, OverflowError, RecursionError):  # valid JSON, but not the shape of a token
        raise TokenRefused("malformed") from None


def _claims(payload: dict[str, Any]) -> Claims:
    return Claims(
        jti=str(UUID(payload["jti"])),
        user_id=str(UUID(payload["user_id"])),
        session_id=str(payload["session_id"]),
        pod_name=str(payload["pod_name"]),
        permissions=frozenset(payload["permissions"]),
        created_at=datetime.fromtimestamp(payload["iat"], UTC),
        expires_at=datetime.fromtimestamp(payload["exp"], UTC),
        resource_quota=dict(payload.get("resource_quota") or {}),
    )
