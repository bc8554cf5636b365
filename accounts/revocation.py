"""Revoke session tokens and check whether one is revoked. The database decides; Redis caches its answer per token.

Redis may lose all data at any time; a missing answer is looked up again. "Valid" is cached for one minute only, so
that a revocation that did not reach Redis takes effect within that minute.
"""

from datetime import datetime, timedelta
from uuid import UUID

import redis
import structlog
from django.db import Error, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.disconnects import Disconnect, disconnect_after_commit
from accounts.models import SessionToken, User
from core.redis import client, delete_despite_full_memory, key

log = structlog.get_logger("podesk.revocation")
_VALID, _REVOKED = "valid", "revoked"
DISABLED = "disabled"  # reason of the revocations that end a disabled account
_NOT_RECORDED = "not noted"  # valid, but the check was not a use of the token
_REMEMBERED = 60  # seconds
_STREAMS_OUTLIVE = timedelta(hours=1)  # after a token expires, its streams end within this time at the latest
# Never overwrite an existing answer other than "not noted": a revocation may have been committed in the meantime.
_REMEMBER = """
local there = redis.call('GET', KEYS[1])
if not there or there == ARGV[3] then
  redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
end
"""


def is_revoked(jti: str, *, used_from: str = "") -> bool:
    """Whether the token is revoked. Usually one round trip to Redis; else one query to the database.

    A token without a row is revoked, since its user was deleted. `used_from` is stored on the row when the database
    is queried, about once a minute.
    """
    name = _key(jti)
    try:
        answer = client().get(name)
    except redis.RedisError:
        return _revoked_in_database(jti)
    if answer is not None and not (answer == _NOT_RECORDED and used_from):
        return bool(answer == _REVOKED)
    revoked = not _note_use(jti, used_from) if used_from else _revoked_in_database(jti)
    _remember(name, _REVOKED if revoked else _VALID if used_from else _NOT_RECORDED)
    return revoked


def refusal_of_revoked(jti: str) -> str:
    """Return "disabled" if a revoked token ended because its user's account is disabled, else "revoked".

    One query, and only for a revoked token.
    """
    ended = SessionToken.objects.filter(pk=jti, revoked_reason=DISABLED, user__is_active=False)
    try:
        return DISABLED if ended.exists() else "revoked"
    except Error:  # Redis alone knows that it is revoked
        return "revoked"


def revoke_token(token_id: UUID | str, *, reason: str) -> int:
    with transaction.atomic():
        revoked = _revoke(SessionToken.objects.filter(pk=token_id), reason)
        disconnect_after_commit(Disconnect("token", str(token_id), reason))
    return revoked


def revoke_session(session_id: str, *, reason: str) -> int:
    """Revoke all tokens of one login. Returns how many."""
    with transaction.atomic():
        revoked = _revoke(SessionToken.objects.filter(session_id=session_id), reason)
        disconnect_after_commit(Disconnect("session", session_id, reason))
    return revoked


def revoke_user(user: User, *, reason: str, spare_session: str = "") -> None:
    """Revoke all tokens of one person except those of the login `spare_session`."""
    with transaction.atomic():
        # Locked: a token that is being issued is either revoked below, or its issue sees the caller's change.
        User.objects.select_for_update(no_key=True).filter(pk=user.pk).first()
        _revoke(SessionToken.objects.filter(user=user).exclude(session_id=spare_session), reason)
        disconnect_after_commit(Disconnect("user", str(user.pk), reason, spare=spare_session))


def revoke_kept(user: User, *, reason: str) -> int:
    """Revoke all of a person's tokens that have a label, and all tokens made with them.

    Returns the number of tokens with a label that were valid until now.
    """
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).filter(pk=user.pk).first()  # for the same reason as above
        of_user = SessionToken.objects.filter(user=user)
        now = timezone.now()
        kept = list(of_user.filter(revoked_at=None, expires_at__gt=now - _STREAMS_OUTLIVE).exclude(label=""))
        # A token for a single desktop may share the session of the browser that made it, which must stay valid.
        sessions = {token.session_id for token in kept if not token.pod_name}
        single = [token.pk for token in kept if token.session_id not in sessions]
        _revoke(of_user.filter(Q(session_id__in=sessions) | Q(pk__in=single)), reason)
        for session_id in sessions:
            disconnect_after_commit(Disconnect("session", session_id, reason))
        for token_id in single:
            disconnect_after_commit(Disconnect("token", str(token_id), reason))
    return sum(token.expires_at > now for token in kept)


def remember_valid_after_commit(token_id: UUID) -> None:
    """Cache a new token as valid, so that its first verification needs no query."""
    transaction.on_commit(lambda: _remember(_key(str(token_id)), _VALID), robust=True)


def _revoke(tokens: QuerySet[SessionToken], reason: str) -> int:
    now = timezone.now()
    unrevoked = tokens.filter(revoked_at=None)
    live = unrevoked.filter(expires_at__gt=now).select_for_update()
    ends: dict[UUID, datetime] = dict(live.values_list("pk", "expires_at"))
    # Expired tokens too: a viewer's token is valid for a minute, but its stream must be found to be revoked.
    revoked = unrevoked.update(revoked_at=now, revoked_reason=reason)
    transaction.on_commit(lambda: _remember_revoked(ends), robust=True)  # robust, so that the disconnects still follow
    return revoked


def _remember_revoked(ends: dict[UUID, datetime]) -> None:
    try:
        pipe = client().pipeline(transaction=False)
        for token_id, expires_at in ends.items():
            pipe.set(_key(str(token_id)), _REVOKED, exat=expires_at)
        pipe.execute()
    except redis.RedisError as error:
        log.warning("revocation_not_mirrored", tokens=len(ends), error=str(error))
        delete_despite_full_memory(*(_key(str(token_id)) for token_id in ends))


def _remember(name: str, answer: str) -> None:
    try:
        client().eval(_REMEMBER, 1, name, answer, _REMEMBERED, _NOT_RECORDED)
    except redis.RedisError as error:
        log.warning("token_state_not_remembered", error=str(error))


def _revoked_in_database(jti: str) -> bool:
    return not SessionToken.objects.filter(pk=jti, revoked_at=None).exists()


def _note_use(jti: str, address: str) -> bool:
    """Record the use of a token and return whether the token is valid, in one statement."""
    unrevoked = SessionToken.objects.filter(pk=jti, revoked_at=None)
    return bool(unrevoked.update(last_used_at=timezone.now(), last_used_from=address))


def _key(jti: str) -> str:
    return key("token", jti)
