"""Session tokens that people and scripts keep: issue, refresh, revoke. Each function is one transaction, with its audit
event. They have a label and a session of their own, so that they outlive the browser and end with what they opened."""

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
    message = _("The login has ended meanwhile.")
    next_step = _("Sign in again.")


class NotRefreshable(Refusal):
    slug = "not_refreshable"
    message = _("This session token cannot be refreshed any more.")
    next_step = _("Get a new one from POST /api/v1/auth/token, with your username and password.")


class PermissionNotHeld(Refusal):
    slug, status_code = "not_permitted", 403
    next_step = _("Ask for permissions that the token you send has itself.")


class TooLong(Refusal):
    slug, status_code = "invalid", 422
    next_step = _("Ask for a shorter life, or get a token with your username and password.")


@dataclass(frozen=True)
class TokenRequest:
    """What somebody asks for; `lifetime` None: as long as settings and the issuer allow, at most a TOKEN_LIFETIME."""

    label: str
    permissions: tuple[str, ...] | None = None  # None: all that the issuer has
    lifetime: timedelta | None = None
    pod_name: str = ""  # of the one desktop that it is for; such a token ends with the login of its issuer
    resource_quota: dict[str, str] | None = None  # None: what its user may have
    issuer_session: str = ""
    ends_by: datetime | None = None  # it lives no longer than that, whatever `lifetime` says


@dataclass(frozen=True)
class Issued:
    text: str  # the signed token, which is kept nowhere
    token: SessionToken


@audited("token.issue", target=lambda given: given["wanted"].label)
@transaction.atomic
def issue_for_login(*, by: Actor, wanted: TokenRequest) -> Issued:
    """For somebody whose password was just checked, or who is signed in. Raises LoginEnded when password or account
    have changed since `by.user` was read."""
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
    """Never more than `claims` have: neither permissions nor time. Raises PermissionNotHeld, TooLong, LoginEnded."""
    _hold(claims)
    held = tuple(name for name in PERMISSIONS if name in claims.permissions)
    if missing := [name for name in wanted.permissions or () if name not in held]:
        message = _("The session token does not have this permission itself: %(names)s.")
        raise PermissionNotHeld(message % {"names": ", ".join(missing)}, field="permissions")
    left = claims.expires_at - _now()
    if left <= timedelta(0):
        raise LoginEnded(detail="expired meanwhile")
    if wanted.lifetime and wanted.lifetime > left:
        message = _("The session token that asks lives %(seconds)s more seconds, and what it issues no longer.")
        raise TooLong(message % {"seconds": int(left.total_seconds())}, field="lifetime")
    smaller = replace(wanted, permissions=wanted.permissions or held, ends_by=claims.expires_at)
    if wanted.pod_name:
        return _issue(by, smaller, session_id=claims.session_id, refresh_until=claims.expires_at)
    further = replace(smaller, issuer_session=claims.session_id)
    return _issue(by, further, session_id=tokens.fresh_session_id(), refresh_until=claims.expires_at)


@transaction.atomic
def issue_for_browser(*, by: Actor, wanted: TokenRequest, session_id: str) -> Issued:
    """For one desktop, to somebody who is signed in there; ends with that login. Raises tokens.TokenRefused."""
    return _issue(by, wanted, session_id=session_id, refresh_until=_now())


@audited("token.refresh")
@transaction.atomic
def refresh(*, by: Actor, claims: Claims) -> Issued:
    """A new token in place of the old one, which ends here. Of two that ask at once, one gets it; the other, and who
    comes later, LoginEnded. Raises NotRefreshable."""
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
    """The tokens that a person gets to see: those with a label. A page's own live for a minute."""
    return SessionToken.objects.filter(user_id=user_id).exclude(label="")


def live(kept: QuerySet[SessionToken]) -> QuerySet[SessionToken]:
    """Those that count: neither revoked nor expired."""
    return kept.filter(revoked_at=None, expires_at__gt=timezone.now())


@transaction.atomic
def revoke(*, by: Actor, token: SessionToken) -> None:
    """Also what it was refreshed to, what was made with it, and what it opened. Again: nothing happens."""
    _lock(token.user_id)  # a refresh or an issue that is under way is seen below, or sees this
    if token.label and not token.pod_name:
        revoked = sum(revocation.revoke_session(one, reason="revoked") for one in _made_with(token.session_id))
    else:  # its session is the login that made it
        revoked = revocation.revoke_token(token.pk, reason="revoked")
    if revoked:
        audit.record("token.revoke", by=by, target=token, pod_name=token.pod_name)


def _made_with(session_id: str) -> list[str]:
    """That session and all that came of it: a token that was stolen may have made others."""
    found = [session_id]
    for one in found:
        found += SessionToken.objects.filter(issuer_session=one).values_list("session_id", flat=True).distinct()
    return found


@transaction.atomic
def revoke_all(*, by: Actor) -> int:
    """All tokens of that person that have a label, and what they opened; how many with a label."""
    count = revocation.revoke_kept(by.user, reason="revoked")
    audit.record("token.revoke_all", by=by, target=by.user, count=count)
    return count


def _issue(
    by: Actor, wanted: TokenRequest, *, session_id: str, refresh_until: datetime, action: str = "token.issue"
) -> Issued:
    """Where a refresh would not lengthen its life, the token says that it cannot be refreshed."""
    life = tokens.living(wanted.lifetime)
    if wanted.ends_by:
        life = replace(life, expires_at=min(life.expires_at, wanted.ends_by))
    if not wanted.pod_name and life.expires_at < refresh_until:
        life = replace(life, refresh_until=refresh_until)
    scope = TokenScope(
        session_id=session_id,
        issuer_session=wanted.issuer_session,
        pod_name=wanted.pod_name,
        permissions=PERMISSIONS if wanted.permissions is None else wanted.permissions,
        resource_quota=wanted.resource_quota or quotas.effective(by.user).as_claims(),
    )
    text, token = tokens.issue_row(by.user, scope=scope, life=life, label=wanted.label)
    told = {"id": str(token.pk), "label": token.label, "permissions": token.permissions}
    audit.record(action, by=by, target=token, pod_name=token.pod_name, **told)
    return Issued(text, token)


def _hold(claims: Claims) -> SessionToken:
    """The token's row, locked. Raises LoginEnded: it was valid when the request came, and is no longer."""
    user = _lock(claims.user_id)
    row = SessionToken.objects.select_for_update().filter(pk=claims.jti, revoked_at=None).first()
    if row is None or user is None or not user.is_active:
        raise LoginEnded(_("The session token has been revoked."), detail=f"token {claims.jti}")
    return row


def _lock(user_id: UUID | str) -> User | None:
    return User.objects.select_for_update(no_key=True).filter(pk=user_id).first()


def _now() -> datetime:
    return timezone.now().replace(microsecond=0)  # as in the token
