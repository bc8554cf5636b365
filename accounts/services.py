"""What changes who may come in. Each function is one transaction: change, revoke, audit; streams are cut on commit."""

from datetime import timedelta

from django.contrib.sessions.backends.db import SessionStore
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts import audit, revocation
from accounts.audit import Actor, Stranger
from accounts.models import IdempotentRequest, SessionToken, User

EXPIRED_TOKENS_KEPT = timedelta(days=30)  # long enough to answer "who was connected when?"
REPEATABLE = timedelta(days=1)  # how long an Idempotency-Key is known


def record_login(*, by: Actor) -> None:
    audit.record("login", by=by)


@transaction.atomic
def record_failed_login(*, username: str, address: str | None, locked: bool) -> None:
    """Only for accounts that exist: other names may be a password in the wrong box, or guesses that fill the table."""
    if user := User.objects.named(username):
        audit.record("login.locked" if locked else "login.failed", by=Stranger(address), target=user)


def record_logout(*, by: Actor) -> None:
    """In the transaction that ends the login; see accounts.views.logout."""
    audit.record("logout", by=by)


@transaction.atomic
def sign_out_everywhere(*, user: User, by: Actor) -> None:
    _end_logins(user)
    revocation.revoke_user(user, reason="logged_out")
    audit.record("logout.everywhere", by=by, target=user)


@transaction.atomic
def change_password(*, user: User, password: str, by: Actor, session_id: str = "") -> None:
    """Ends all other logins and what they opened. `session_id` stays, once its Django session has got the new hash."""
    user.set_password(password)
    user.save(update_fields=["password"])
    password_was_changed(user=user, by=by, session_id=session_id)


@transaction.atomic
def password_was_changed(*, user: User, by: Actor, session_id: str = "") -> None:
    """For forms that save the password themselves. Django ends the other logins, whose hash no longer fits."""
    revocation.revoke_user(user, reason="password_changed", spare_session=session_id)
    audit.record("password.change", by=by, target=user)


@transaction.atomic
def set_active(*, user: User, active: bool, by: Actor) -> None:
    """Disable or enable an account. A disabled one loses its logins, tokens and streams at once, and what it holds in
    other apps soon after; see desktops.lifecycle.closed_accounts. Enabled again, its owner has to sign in anew."""
    user.is_active = active
    user.save(update_fields=["is_active"])
    if not active:
        _end_logins(user)
        revocation.revoke_user(user, reason="disabled")
    audit.record("user.enable" if active else "user.disable", by=by, target=user)


def revoke_tokens_of_disabled() -> None:
    """For accounts that were disabled without set_active, as by SQL. One query when there is nothing to do."""
    live = SessionToken.objects.filter(expires_at__gt=timezone.now(), revoked_at=None)
    for user_id in set(live.filter(user__is_active=False).values_list("user_id", flat=True)):
        revocation.revoke_user(User(pk=user_id), reason="disabled")


@transaction.atomic
def delete_user(*, user: User, by: Actor) -> None:
    """Raises ProtectedError while the person still owns desktops or files."""
    revocation.revoke_user(user, reason="disabled")  # while the rows are there to tell which tokens
    audit.record("user.delete", by=by, target=user)
    user.delete()


def prune() -> int:
    """Forget browser logins that ended, answers kept for an Idempotency-Key, and tokens that ended long ago; how many
    tokens. For a timer: may run at any time, and twice."""
    SessionStore.clear_expired()
    IdempotentRequest.objects.filter(at__lt=timezone.now() - REPEATABLE).delete()
    ended = SessionToken.objects.filter(expires_at__lt=timezone.now() - EXPIRED_TOKENS_KEPT)
    return ended.delete()[0]


def _end_logins(user: User) -> None:
    User.objects.filter(pk=user.pk).update(login_generation=F("login_generation") + 1)
