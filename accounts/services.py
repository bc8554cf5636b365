"""Services that change who may sign in. Each is one transaction with its audit; streams are closed on commit."""

from datetime import timedelta

from django.contrib.sessions.backends.db import SessionStore
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts import audit, revocation
from accounts.audit import Actor, Stranger
from accounts.models import IdempotentRequest, SessionToken, User

EXPIRED_TOKENS_KEPT = timedelta(days=30)  # long enough to find out who was connected at a certain time
REPEATABLE = timedelta(days=1)  # how long an Idempotency-Key is remembered


def record_login(*, by: Actor) -> None:
    audit.record("login", by=by)


@transaction.atomic
def record_failed_login(*, username: str, address: str | None, locked: bool) -> None:
    """Record a failed login to an existing account. Other names may be mistyped passwords, or guesses in any number."""
    if user := User.objects.named(username):
        audit.record("login.locked" if locked else "login.failed", by=Stranger(address), target=user)


def record_logout(*, by: Actor) -> None:
    """Call in the transaction that ends the login; see accounts.views.logout."""
    audit.record("logout", by=by)


@transaction.atomic
def sign_out_everywhere(*, user: User, by: Actor) -> None:
    _end_logins(user)
    revocation.revoke_user(user, reason="logged_out")
    audit.record("logout.everywhere", by=by, target=user)


@transaction.atomic
def change_password(*, user: User, password: str, by: Actor, session_id: str = "") -> None:
    """Set the password and end all other logins and their streams. The login `session_id` stays valid."""
    user.set_password(password)
    user.save(update_fields=["password"])
    password_was_changed(user=user, by=by, session_id=session_id)


@transaction.atomic
def password_was_changed(*, user: User, by: Actor, session_id: str = "") -> None:
    """Record a change that a form saved itself. Django ends the other logins, since their hash no longer matches."""
    revocation.revoke_user(user, reason="password_changed", spare_session=session_id)
    audit.record("password.change", by=by, target=user)


@transaction.atomic
def set_active(*, user: User, active: bool, by: Actor) -> None:
    """Disable or enable an account.

    A disabled account loses its logins, tokens and streams at once; desktops.lifecycle.closed_accounts soon releases
    what it holds in other apps. After enabling it, its owner has to sign in again.
    """
    user.is_active = active
    user.save(update_fields=["is_active"])
    if not active:
        _end_logins(user)
        revocation.revoke_user(user, reason=revocation.DISABLED)
    audit.record("user.enable" if active else "user.disable", by=by, target=user)


def revoke_tokens_of_disabled() -> None:
    """Revoke tokens of accounts that were disabled without set_active, such as by SQL. Usually one query."""
    live = SessionToken.objects.filter(expires_at__gt=timezone.now(), revoked_at=None)
    for user_id in set(live.filter(user__is_active=False).values_list("user_id", flat=True)):
        revocation.revoke_user(User(pk=user_id), reason=revocation.DISABLED)


@transaction.atomic
def delete_user(*, user: User, by: Actor) -> None:
    """Delete an account. Raises ProtectedError while the person still owns desktops or files."""
    revocation.revoke_user(user, reason="disabled")  # before the rows of the tokens are deleted
    audit.record("user.delete", by=by, target=user)
    user.delete()


def prune() -> int:
    """Delete ended browser logins, expired answers for Idempotency-Keys, and tokens that ended long ago.

    Returns the number of tokens. Called periodically; concurrent calls are safe.
    """
    SessionStore.clear_expired()
    IdempotentRequest.objects.filter(at__lt=timezone.now() - REPEATABLE).delete()
    ended = SessionToken.objects.filter(expires_at__lt=timezone.now() - EXPIRED_TOKENS_KEPT)
    return ended.delete()[0]


def _end_logins(user: User) -> None:
    User.objects.filter(pk=user.pk).update(login_generation=F("login_generation") + 1)
