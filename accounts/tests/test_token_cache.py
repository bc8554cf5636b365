"""A process caches only the signature of a checked token, and nothing that can change."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import jwt
import pytest
from django.conf import settings as given

from accounts import keys, revocation, tokens
from accounts.models import SessionToken, User
from accounts.tokens import TokenRefused
from core import redis

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def empty_cache():
    tokens._signed.cache_clear()


@pytest.fixture
def remembered(alice, token_for) -> str:
    """Return a valid token whose signature is in the cache of this process."""
    text = token_for(alice)
    tokens.verify(text)
    tokens.verify(text)
    assert tokens._signed.cache_info().hits == 1
    return text


def refusal(text: str) -> str:
    with pytest.raises(TokenRefused) as refused:
        tokens.verify(text)
    return refused.value.reason


def signed(number: int = 0, **changes) -> str:
    """Return a token signed with our key."""
    ring, now = keys.keyring(), int(datetime.now(UTC).timestamp())
    claims = {"iss": given.INSTALLATION_ID, "jti": str(uuid4()), "iat": now, "exp": now + 60, "pod_name": str(number)}
    claims |= {"user_id": str(uuid4()), "session_id": "sess_1", "permissions": ["vnc"]} | changes
    return jwt.encode(claims, ring.signing_key, algorithm="RS256", headers={"kid": ring.signing_kid})


def test_signature_is_checked_once(remembered, monkeypatch):
    """Count the calls of the library that checks signatures."""
    checks = []
    decode = jwt.decode
    monkeypatch.setattr(tokens.jwt, "decode", lambda *a, **k: checks.append(1) or decode(*a, **k))
    for _ in range(10):
        tokens.verify(remembered)
    assert checks == []
    tokens._signed.cache_clear()
    tokens.verify(remembered)
    assert checks == [1]


def test_revoked(remembered):
    (row,) = SessionToken.objects.all()
    revocation.revoke_token(row.pk, reason="test")
    assert refusal(remembered) == "revoked"


def test_revoked_elsewhere(remembered):
    """Another process revokes the token. This one can learn of it only from Redis."""
    (name,) = redis.client().keys()
    redis.client().set(name, "revoked")
    assert refusal(remembered) == "revoked"


def test_all_of_a_person_revoked(remembered, alice):
    revocation.revoke_user(alice, reason="test")
    assert refusal(remembered) == "revoked"


def test_person_is_gone(remembered, alice):
    alice.session_tokens.all().delete()
    redis.client().flushdb()
    assert refusal(remembered) == "revoked"


def test_expired_while_remembered(remembered, monkeypatch):
    later = datetime.now(UTC) + timedelta(seconds=given.TOKEN_LIFETIME)
    monkeypatch.setattr("accounts.tokens.timezone.now", lambda: later)
    assert refusal(remembered) == "expired"


def test_key_rotated_in_and_away(remembered, settings):
    old, new = settings.TOKEN_SIGNING_KEY, keys.new_pem()
    settings.TOKEN_SIGNING_KEY, settings.TOKEN_VERIFY_KEYS = new, old
    assert tokens.verify(remembered)
    settings.TOKEN_VERIFY_KEYS = ""
    assert refusal(remembered) == "unknown_key"


def test_another_installation(remembered, settings):
    settings.INSTALLATION_ID = "other"
    assert refusal(remembered) == "malformed"


def test_one_letter_more_is_another_token(remembered):
    assert refusal(remembered + "A") == "malformed"
    assert refusal(remembered[:-1]) == "malformed"


def test_refusals_are_not_remembered(remembered):
    header, payload, signature = remembered.split(".")
    for bad in (f"{header}.{payload}.", f"{header}.{payload}.{signature[::-1]}", "word", signed(iss="other")):
        assert refusal(bad) == "malformed"
    assert tokens._signed.cache_info().currsize == 1


def test_it_cannot_grow_without_limit(db):
    """Many valid tokens fill the cache up to its limit. The oldest are dropped."""
    limit = tokens._signed.cache_info().maxsize
    ring = keys.keyring()
    texts = [signed(number) for number in range(limit + 10)]
    for text in texts:
        tokens._signed(text, ring, given.INSTALLATION_ID)
    assert tokens._signed.cache_info().currsize == limit
    tokens._signed(texts[-1], ring, given.INSTALLATION_ID)
    assert tokens._signed.cache_info().hits == 1
    tokens._signed(texts[0], ring, given.INSTALLATION_ID)
    assert tokens._signed.cache_info().hits == 1


def test_remembered_claims_cannot_be_changed_by_who_reads_them(remembered):
    first = tokens.verify(remembered)
    with pytest.raises(AttributeError):
        first.user_id = "somebody"
    with pytest.raises(AttributeError):
        first.permissions.add("ssh")
    assert User.objects.get(pk=tokens.verify(remembered).user_id).username == "alice"


def test_each_token_has_its_own_claims(remembered, alice, token_for):
    bob = User.objects.create_user("bob")
    assert tokens.verify(token_for(bob)).user_id == str(bob.pk)
    assert tokens.verify(remembered).user_id == str(alice.pk)
