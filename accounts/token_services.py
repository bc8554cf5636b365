"""Issue, refresh and revoke session tokens that people and scripts keep. Each service is one audited transaction.

These tokens have a label and a session of their own, so they outlive the browser's login, and all streams opened
with one can be closed together.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts import audit, quotas, revocation, tokens
from accounts.audit import Actor, audited
from accounts.models import SessionToken, User
from accounts.tokens import PERMISSIONS, Claims, TokenScope
from core.errors import Refusal

SHORTEST = 60  # seconds


class LoginEnded(Refusal):
    slug, status_code = "revoked", 401
    message = _("Your login has ended in the meantime.")
    next_step = _("Sign in again.")


class AccountClosed(LoginEnded):
    slug = "disabled"
    message = _("Your account has been disabled.")
    next_step = _("Ask an administrator to enable your account.")


class NotRefreshable(Refusal):
    slug = "not_refreshable"
    message = _("This session token can no longer be refreshed.")
    next_step = _("Get a new one from POST /api/v1/auth/token, with your username and password.")


class PermissionNotHeld(Refusal):
    slug, status_code = "not_permitted", 403
    next_step = _("Ask only for permissions that your own token has.")


class TooLong(Refusal):
    slug, status_code = "invalid", 422
    next_step = _("Ask for a shorter lifetime, or get a token with your username and password.")


@dataclass(frozen=True)
class TokenRequest:
    """The requested properties of a token. `lifetime` None: TOKEN_LIFETIME, or what is left of the issuing token."""

    label: str
    permissions: tuple[str, ...] | None = None  # None: all that the issuing token has
    lifetime: timedelta | None = None
    pod_name: str = ""  # the only desktop it opens; such a token ends with the login of its issuer
    resource_quota: dict[str, str] | None = None  # None: the user's effective quota
    issuer_session: str = ""
    ends_by: datetime | None = None  # upper limit, whatever `lifetime` is


@dataclass(frozen=True)
class Issued:
    text: str  # the signed token; not stored
    token: SessionToken


@audited("token.issue", target=lambda given: given["wanted"].label)
@transaction.atomic
def issue_for_login(*, by: Actor, wanted: TokenRequest) -> Issued:
    """Issue a token for a user who is signed in or whose password was just checked.

    Raises LoginEnded when the password or the account has changed since `by.user` was read.
    """
    unchanged = User.objects.select_for_update(no_key=True).filter(
        pk=by.user.pk, is_active=True, password=by.user.password, login_generation=by.user.login_generation
    )
    if not unchanged.exists():
        raise LoginEnded(detail=f"user {by.user.pk}")
    refreshed_for = timedelta(seconds=settings.TOKEN_REFRESH_LIFETIME)
    return _issue(by, wanted, session_id=tokens.fresh_session_id(), refresh_until=_now() + refreshed_for)


@audited("token.issue", target=lambda given: given["wanted"].label)
@transaction.atomic
def issue_from_token(*, by: Actor, claims: Claims, wanted: TokenRequest) -> Issued:
    """Issue a token with another one, whose permissions and lifetime it cannot exceed.

    Raises PermissionNotHeld, TooLong, LoginEnded.
    """
    _hold(claims)
    held = tuple(name for name in PERMISSIONS if name in claims.permissions)
    if missing := [name for name in wanted.permissions or () if name not in held]:
        message = _("Your session token itself does not have this permission: %(names)s.")
        raise PermissionNotHeld(message % {"names": ", ".join(missing)}, field="permissions")
    left = claims.expires_at - _now()
    if left <= timedelta(0):
        raise LoginEnded(detail="expired in the meantime")
    if wanted.lifetime and wanted.lifetime > left:
        message = _("Your session token expires in %(seconds)s seconds; the tokens it issues cannot outlive it.")
        raise TooLong(message % {"seconds": int(left.total_seconds())}, field="lifetime")
    smaller = replace(wanted, permissions=wanted.permissions or held, ends_by=claims.expires_at)
    if wanted.pod_name:
        return _issue(by, smaller, session_id=claims.session_id, refresh_until=claims.expires_at)
    further = replace(smaller, issuer_session=claims.session_id)
    return _issue(by, further, session_id=tokens.fresh_session_id(), refresh_until=claims.expires_at)


@transaction.atomic
def issue_for_browser(*, by: Actor, wanted: TokenRequest, session_id: str) -> Issued:
    """Issue a token for one desktop that ends with the browser's login. Raises tokens.TokenRefused."""
    return _issue(by, wanted, session_id=session_id, refresh_until=_now())


@audited("token.refresh")
@transaction.atomic
def refresh(*, by: Actor, claims: Claims) -> Issued:
    """Replace a token by a new one; the old one is revoked. Of concurrent calls with one token, only one succeeds.

    Raises NotRefreshable, or LoginEnded if the token has already been replaced or revoked.
    """
    old = _hold(claims)
    if old.refresh_until is None or old.refresh_until <= _now():
        raise NotRefreshable
    revocation.revoke_token(old.pk, reason="refreshed")
    same = TokenRequest(
        old.label,
        tuple(old.permissions),
        lifetime=old.expires_at - old.created_at,
        issuer_session=old.issuer_session,
        ends_by=old.refresh_until,
    )
    return _issue(by, same, session_id=old.session_id, refresh_until=old.refresh_until, action="token.refresh")


def kept_by(user_id: UUID | str) -> QuerySet[SessionToken]:
    """Return the tokens that a person sees: those with a label. Tokens of a page have none and expire in a minute."""
    return SessionToken.objects.filter(user_id=user_id).exclude(label="")


def live(kept: QuerySet[SessionToken]) -> QuerySet[SessionToken]:
    """Return the valid tokens: neither revoked nor expired."""
    return kept.filter(revoked_at=None, expires_at__gt=timezone.now())


@transaction.atomic
def revoke(*, by: Actor, token: SessionToken) -> None:
    """Revoke a token, its refreshed successors, tokens made with it, and what they opened. Idempotent."""
    _lock(token.user_id)  # a concurrent refresh or issue is either revoked below, or fails
    if token.label and not token.pod_name:
        revoked = sum(revocation.revoke_session(one, reason="revoked") for one in _made_with(token.session_id))
    else:  # the token shares the session of the login that made it
        revoked = revocation.revoke_token(token.pk, reason="revoked")
    if revoked:
        audit.record("token.revoke", by=by, target=token, pod_name=token.pod_name)


def _made_with(session_id: str) -> list[str]:
    """Return this session and all sessions derived from it, since a stolen token may have made others."""
    found = [session_id]
    for one in found:
        found += SessionToken.objects.filter(issuer_session=one).values_list("session_id", flat=True).distinct()
    return found


@transaction.atomic
def revoke_all(*, by: Actor) -> int:
    """Revoke all of a person's tokens that have a label, and close what they opened. Returns how many."""
    count = revocation.revoke_kept(by.user, reason="revoked")
    audit.record("token.revoke_all", by=by, target=by.user, count=count)
    return count


def _issue(
    by: Actor, wanted: TokenRequest, *, session_id: str, refresh_until: datetime, action: str = "token.issue"
) -> Issued:
    """Create the token. It cannot be refreshed if a refresh would not extend its lifetime."""
    validity = tokens.validity_from_now(wanted.lifetime)
    if wanted.ends_by:
        validity = replace(validity, expires_at=min(validity.expires_at, wanted.ends_by))
    if not wanted.pod_name and validity.expires_at < refresh_until:
        validity = replace(validity, refresh_until=refresh_until)
    scope = TokenScope(
        session_id=session_id,
        issuer_session=wanted.issuer_session,
        pod_name=wanted.pod_name,
        permissions=PERMISSIONS if wanted.permissions is None else wanted.permissions,
        resource_quota=wanted.resource_quota or quotas.effective(by.user).as_claims(),
    )
    text, token = tokens.issue_row(by.user, scope=scope, validity=validity, label=wanted.label)
    details = {"id": str(token.pk), "label": token.label, "permissions": token.permissions}
    audit.record(action, by=by, target=token, pod_name=token.pod_name, **details)
    return Issued(text, token)


def _hold(claims: Claims) -> SessionToken:
    """Lock and return the token's row. Raises LoginEnded if it has ended since the request arrived."""
    user = _lock(claims.user_id)
    if user and not user.is_active:
        raise AccountClosed(detail=f"user {claims.user_id}")
    row = SessionToken.objects.select_for_update().filter(pk=claims.jti, revoked_at=None).first()
    if row is None or user is None:
        raise LoginEnded(_("The session token has been revoked."), detail=f"token {claims.jti}")
    return row


def _lock(user_id: UUID | str) -> User | None:
    return User.objects.select_for_update(no_key=True).filter(pk=user_id).first()


def _now() -> datetime:
    return timezone.now().replace(microsecond=0)  # tokens contain whole seconds
