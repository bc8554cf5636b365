"""Which session tokens no longer count. The database says so; Redis remembers its answer per token.

Redis may lose everything at any moment: an answer that is missing is asked for again. An answer "valid" is remembered
for a minute only, so that a revocation whose message to Redis was lost counts after that minute at the latest."""

from datetime import datetime, timedelta
from uuid import UUID

import redis
import structlog
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.disconnects import Disconnect, disconnect_after_commit
from accounts.models import SessionToken, User
from core.redis import client, key

log = structlog.get_logger("podesk.revocation")
_VALID, _REVOKED = "valid", "revoked"
_NOT_NOTED = "not noted"  # valid, but whoever asked was no use of the token
_REMEMBERED = 60  # seconds
_STREAMS_OUTLIVE = timedelta(hours=1)  # their tokens, at most: they end when a proxy next looks
# Never over an answer that is there, but for "not noted": a revocation may have been committed since we asked.
_REMEMBER = """
local there = redis.call('GET', KEYS[1])
if not there or there == ARGV[3] then
  redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
end
"""


def is_revoked(jti: str, *, used_from: str = "") -> bool:
    """One round trip to Redis as a rule; the database when Redis is away or does not know. A token without a row is
    revoked: its user was deleted. `used_from` is noted when the database is asked, which is about once a minute."""
    name = _key(jti)
    try:
        answer = client().get(name)
    except redis.RedisError:
        return _revoked_in_database(jti)
    if answer is not None and not (answer == _NOT_NOTED and used_from):
        return bool(answer == _REVOKED)
    revoked = not _note_use(jti, used_from) if used_from else _revoked_in_database(jti)
    _remember(name, _REVOKED if revoked else _VALID if used_from else _NOT_NOTED)
    return revoked


def revoke_token(token_id: UUID | str, *, reason: str) -> int:
    with transaction.atomic():
        revoked = _revoke(SessionToken.objects.filter(pk=token_id), reason)
        disconnect_after_commit(Disconnect("token", str(token_id), reason))
    return revoked


def revoke_session(session_id: str, *, reason: str) -> int:
    """All tokens of one login; how many."""
    with transaction.atomic():
        revoked = _revoke(SessionToken.objects.filter(session_id=session_id), reason)
        disconnect_after_commit(Disconnect("session", session_id, reason))
    return revoked


def revoke_user(user: User, *, reason: str, spare_session: str = "") -> None:
    """All tokens of one person, but those of the login `spare_session`."""
    with transaction.atomic():
        # Locked: a token that is being issued right now is seen below, or its issue sees what the caller changed.
        User.objects.select_for_update(no_key=True).filter(pk=user.pk).first()
        _revoke(SessionToken.objects.filter(user=user).exclude(session_id=spare_session), reason)
        disconnect_after_commit(Disconnect("user", str(user.pk), reason, spare=spare_session))


def revoke_kept(user: User, *, reason: str) -> int:
    """All tokens of one person that have a label, and what was made with them; how many with a label still counted."""
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).filter(pk=user.pk).first()  # as above
        of_user = SessionToken.objects.filter(user=user)
        now = timezone.now()
        kept = list(of_user.filter(revoked_at=None, expires_at__gt=now - _STREAMS_OUTLIVE).exclude(label=""))
        # One for a single desktop may have the session of the browser that made it, which goes on.
        sessions = {token.session_id for token in kept if not token.pod_name}
        single = [token.pk for token in kept if token.session_id not in sessions]
        _revoke(of_user.filter(Q(session_id__in=sessions) | Q(pk__in=single)), reason)
        for session_id in sessions:
            disconnect_after_commit(Disconnect("session", session_id, reason))
        for token_id in single:
            disconnect_after_commit(Disconnect("token", str(token_id), reason))
    return sum(token.expires_at > now for token in kept)


def remember_valid_after_commit(token_id: UUID) -> None:
    """A token that was just issued: its first verification need not ask the database."""
    transaction.on_commit(lambda: _remember(_key(str(token_id)), _VALID), robust=True)


def _revoke(tokens: QuerySet[SessionToken], reason: str) -> int:
    now = timezone.now()
    unrevoked = tokens.filter(revoked_at=None)
    live = unrevoked.filter(expires_at__gt=now).select_for_update()
    ends: dict[UUID, datetime] = dict(live.values_list("pk", "expires_at"))
    # Expired ones too: a viewer's token lives a minute, and the stream that it opened must be found revoked.
    revoked = unrevoked.update(revoked_at=now, revoked_reason=reason)
    transaction.on_commit(lambda: _remember_revoked(ends), robust=True)  # else the cuts that come after it are lost
    return revoked


def _remember_revoked(ends: dict[UUID, datetime]) -> None:
    try:
        pipe = client().pipeline(transaction=False)
        for token_id, expires_at in ends.items():
            pipe.set(_key(str(token_id)), _REVOKED, exat=expires_at)
        pipe.execute()
    except redis.RedisError as error:
        log.warning("revocation_not_mirrored", tokens=len(ends), error=str(error))


def _remember(name: str, answer: str) -> None:
    try:
        client().eval(_REMEMBER, 1, name, answer, _REMEMBERED, _NOT_NOTED)
    except redis.RedisError as error:
        log.warning("token_state_not_remembered", error=str(error))


def _revoked_in_database(jti: str) -> bool:
    return not SessionToken.objects.filter(pk=jti, revoked_at=None).exists()


def _note_use(jti: str, address: str) -> bool:
    """One statement tells whether the token counts, and notes that it was used."""
    unrevoked = SessionToken.objects.filter(pk=jti, revoked_at=None)
    return bool(unrevoked.update(last_used_at=timezone.now(), last_used_from=address))


def _key(jti: str) -> str:
    return key("token", jti)
