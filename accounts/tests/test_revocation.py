"""A revocation applies at once everywhere, also when Redis is emptied, unavailable or slow."""

from datetime import timedelta

import pytest
from django.db import transaction

from accounts import revocation, tokens
from accounts.models import SessionToken
from accounts.tokens import TokenRefused
from core import redis
from tests.support import environment

pytestmark = pytest.mark.django_db(transaction=True)


def counts(text: str) -> bool:
    try:
        tokens.verify(text)
    except TokenRefused as refused:
        assert refused.reason == "revoked"
        return False
    return True


def revoke_all(**reason):
    for token in SessionToken.objects.all():
        revocation.revoke_token(token.pk, **(reason or {"reason": "revoked"}))


def test_one_token(alice, token_for, published_disconnects):
    text, other = token_for(alice), token_for(alice)
    token = SessionToken.objects.get(pk=tokens.verify(text).jti)
    revocation.revoke_token(token.pk, reason="revoked")
    assert (counts(text), counts(other)) == (False, True)
    assert published_disconnects() == {"scope": "token", "id": str(token.pk), "reason": "revoked", "spare": ""}
    token.refresh_from_db()
    assert (token.revoked_at is not None, token.revoked_reason) == (True, "revoked")


def test_one_login(alice, token_for, published_disconnects):
    here, there = token_for(alice, "sess_here"), token_for(alice, "sess_there")
    revocation.revoke_session("sess_here", reason="logged_out")
    assert (counts(here), counts(there)) == (False, True)
    assert published_disconnects() == {"scope": "session", "id": "sess_here", "reason": "logged_out", "spare": ""}


def test_one_person_but_one_login(alice, bob, token_for, published_disconnects):
    here, there, bobs = token_for(alice, "sess_here"), token_for(alice, "sess_there"), token_for(bob)
    revocation.revoke_user(alice, reason="password_changed", spare_session="sess_here")
    assert (counts(here), counts(there), counts(bobs)) == (True, False, True)
    assert published_disconnects() == {
        "scope": "user",
        "id": str(alice.pk),
        "reason": "password_changed",
        "spare": "sess_here",
    }


def test_first_reason_stays(alice, token_for):
    token_for(alice)
    revoke_all(reason="logged_out")
    revoke_all(reason="revoked")
    assert SessionToken.objects.get().revoked_reason == "logged_out"


def test_undone_with_its_transaction(alice, token_for):
    text = token_for(alice)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        revocation.revoke_user(alice, reason="disabled")
        raise ZeroDivisionError
    assert counts(text)


def test_token_of_a_deleted_user(alice, token_for):
    text = token_for(alice)
    alice.delete()
    redis.client().flushdb()
    assert not counts(text)


def test_answer_valid_is_remembered_for_a_minute_at_most(alice, token_for):
    """This is the longest delay of a revocation whose message to Redis was lost."""
    text = token_for(alice)
    (name,) = redis.client().keys()
    assert 0 < redis.client().ttl(name) <= 60
    redis.client().flushdb()
    counts(text)
    assert 0 < redis.client().ttl(name) <= 60


def test_answer_revoked_is_remembered_while_the_token_lives(alice, token_for):
    token_for(alice, lifetime=timedelta(hours=2))
    revoke_all()
    (name,) = redis.client().keys()
    assert 7190 < redis.client().ttl(name) <= 7200


def test_redis_restarted_empty(alice, token_for, django_assert_num_queries):
    revoked = token_for(alice)
    revoke_all()
    good = token_for(alice)
    redis.client().flushdb()
    assert (counts(revoked), counts(good)) == (False, True)
    with django_assert_num_queries(0):
        assert counts(good)
    with django_assert_num_queries(1):  # asks why
        assert not counts(revoked)


def test_redis_unavailable(alice, token_for, redis_at, tmp_path):
    redis_at(tmp_path)
    revoked = token_for(alice)
    revoke_all()
    assert (counts(revoked), counts(token_for(alice))) == (False, True)


def test_memory_of_redis_is_full(alice, token_for):
    revoked, other = token_for(alice), token_for(alice)
    assert counts(revoked) and counts(other)
    with environment.redis_refuses_writes("memory_full"):
        revoke_all()
        assert not counts(revoked)
        assert not counts(other)
    assert not counts(revoked)


def test_redis_dies_and_comes_back_empty(alice, token_for, redis_at, tmp_path):
    """A real server is stopped, used and started again."""
    server = environment.start_redis(tmp_path)
    redis_at(tmp_path)
    before = token_for(alice)
    assert counts(before)
    server.kill()
    server.wait()

    revoke_all()
    assert not counts(before)
    environment.start_redis(tmp_path)
    assert not counts(before)


def test_revoked_between_asking_the_database_and_telling_redis(alice, token_for, monkeypatch):
    """A late answer "valid" must not overwrite a revocation that was committed in the meantime."""
    text = token_for(alice)
    redis.client().flushdb()
    ask = revocation._revoked_in_database

    def ask_then_somebody_revokes(jti):
        answer = ask(jti)
        revoke_all()
        return answer

    monkeypatch.setattr(revocation, "_revoked_in_database", ask_then_somebody_revokes)
    assert counts(text)  # it was valid at the time of the query
    monkeypatch.undo()
    assert not counts(text)


def test_revoked_between_issue_and_telling_redis(alice, token_for, monkeypatch):
    """The "valid" written at issue must not overwrite a revocation that was committed in the meantime."""
    remember = revocation._remember

    def somebody_revokes_first(name, answer):
        revoke_all()
        remember(name, answer)

    monkeypatch.setattr(revocation, "_remember", somebody_revokes_first)
    text = token_for(alice)
    assert not counts(text)


def test_revocation_that_redis_did_not_hear_counts_a_minute_later(alice, token_for, redis_at, tmp_path):
    text = token_for(alice)
    redis_at(tmp_path)
    revoke_all()
    redis_at(environment.FOLDER)
    assert counts(text)
    (name,) = redis.client().keys()
    redis.client().pexpire(name, 1)  # as after a minute
    while redis.client().exists(name):
        pass
    assert not counts(text)


def test_one_round_trip(alice, token_for):
    text = token_for(alice)
    tokens.verify(text)
    before = redis.client().info("stats")["total_commands_processed"]
    tokens.verify(text)
    assert redis.client().info("stats")["total_commands_processed"] - before == 2  # GET, and INFO itself


def test_use_is_noted_once_a_minute_also_after_a_look_that_was_no_use(alice, token_for, django_assert_num_queries):
    text = token_for(alice, label="kept")
    tokens.verify(text)  # as POST auth/token/verify does
    with django_assert_num_queries(1):
        for number in range(10):
            tokens.verify(text, used_from=f"192.0.2.{number}")
    assert SessionToken.objects.get().last_used_from == "192.0.2.0"
    revoke_all()
    assert not counts(text)
