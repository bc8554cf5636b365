"""Session tokens: the claims of a valid one, and every reason to refuse one."""

import base64
import hashlib
import hmac
import json
import logging
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings

from accounts import keys, tokens
from accounts.models import SessionToken
from accounts.tokens import TokenRefused, TokenScope

QUOTA = {"cpu": "2", "memory": "4Gi", "storage": "10Gi"}


def refusal(text: str) -> str:
    with pytest.raises(TokenRefused) as refused:
        tokens.verify(text)
    assert text == "" or text not in str(refused.value)
    return refused.value.reason


def payload(**changes):
    now = int(datetime.now(UTC).timestamp())
    good = {
        "iss": settings.INSTALLATION_ID,
        "jti": str(uuid4()),
        "iat": now,
        "exp": now + 60,
        "user_id": str(uuid4()),
        "session_id": "sess_1",
        "pod_name": "",
        "permissions": ["vnc"],
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def signed(claims, *, kid=None, key=None, algorithm="RS256", **headers):
    ring = keys.keyring()
    headers["kid"] = ring.signing_kid if kid is None else kid
    return jwt.encode(claims, key or ring.signing_key, algorithm=algorithm, headers=headers)


def b64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def by_hand(header, claims, sign=lambda _: b"") -> str:
    """Return a token that a library would not make."""
    body = ".".join(b64(json.dumps(part).encode()) for part in (header, claims))
    return f"{body}.{b64(sign(body.encode()))}"


def public_pem() -> bytes:
    return (
        keys.keyring()
        .signing_key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def test_claims_are_those_of_the_design(alice):
    scope = TokenScope("sess_1", pod_name="vnc-alice", permissions=("vnc", "ssh"), resource_quota=QUOTA)
    text = tokens.issue(alice, scope=scope, lifetime=timedelta(hours=1))

    row = SessionToken.objects.get()
    said = jwt.decode(text, public_pem(), algorithms=["RS256"])
    began = datetime.fromtimestamp(said["iat"], UTC)
    assert said == {
        "iss": "test",
        "jti": str(row.pk),
        "iat": said["iat"],
        "exp": said["iat"] + 3600,
        "user_id": str(alice.pk),
        "session_id": "sess_1",
        "pod_name": "vnc-alice",
        "created_at": f"{began:%Y-%m-%dT%H:%M:%SZ}",
        "expires_at": f"{began + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}",
        "permissions": ["vnc", "ssh"],
        "resource_quota": QUOTA,
    }
    assert jwt.get_unverified_header(text) == {"alg": "RS256", "typ": "JWT", "kid": keys.keyring().signing_kid}
    assert (row.created_at, row.expires_at) == (began, began + timedelta(hours=1))


def test_verified_claims(alice):
    scope = TokenScope("sess_1", pod_name="vnc-alice", resource_quota=QUOTA)
    claims = tokens.verify(tokens.issue(alice, scope=scope))
    assert (claims.user_id, claims.session_id, claims.pod_name) == (str(alice.pk), "sess_1", "vnc-alice")
    assert (claims.permissions, claims.resource_quota) == (frozenset({"vnc"}), QUOTA)
    assert claims.expires_at - claims.created_at == timedelta(seconds=settings.TOKEN_LIFETIME)


def test_disabled_user_gets_none(alice, token_for):
    alice.is_active = False
    alice.save()
    with pytest.raises(TokenRefused, match="not active"):
        token_for(alice)
    assert not SessionToken.objects.exists()


def test_disabled_elsewhere_since_the_request_began(alice, token_for):
    type(alice).objects.update(is_active=False)  # the object `alice` is still active
    with pytest.raises(TokenRefused):
        token_for(alice)


def test_unknown_permission_is_a_mistake_of_ours(alice):
    with pytest.raises(ValueError, match="root"):
        tokens.issue(alice, scope=TokenScope("sess_1", permissions=("vnc", "root")))


def _kid():
    return keys.keyring().signing_kid


def _with_payload(good, claims):
    header, _, signature = good.split(".")
    return f"{header}.{b64(json.dumps(claims).encode())}.{signature}"


def _hs256():
    header = {"alg": "HS256", "typ": "JWT", "kid": _kid()}
    return by_hand(header, payload(), lambda body: hmac.new(public_pem(), body, hashlib.sha256).digest())


def _other_key():
    return keys.read_private(keys.new_pem())


def _elliptic():
    return ec.generate_private_key(ec.SECP256R1())


ATTACKS = [
    ("nothing", "missing", lambda good: ""),
    ("word", "malformed", lambda good: "token"),
    ("three empty parts", "malformed", lambda good: ".."),
    ("truncated", "malformed", lambda good: good[:-20]),
    ("without signature", "malformed", lambda good: good.rpartition(".")[0] + "."),
    ("other payload", "malformed", lambda good: _with_payload(good, payload(permissions=["vnc", "ssh"]))),
    ("100 KB", "malformed", lambda good: "A" * 100_000),
    ("100 KB with dots", "malformed", lambda good: "A.A" * 33_000),
    ("not ASCII", "malformed", lambda good: "é.ñ.好"),
    ("lone surrogate", "malformed", lambda good: "\ud800.a.b"),
    ("deep JSON", "malformed", lambda good: f"{b64(b'[' * 4000)}.e30.AA"),
    ("header is a list", "malformed", lambda good: by_hand([], payload())),
    ("kid is a list", "malformed", lambda good: by_hand({"alg": "RS256", "kid": []}, payload())),
    ("alg none", "malformed", lambda good: by_hand({"alg": "none", "kid": _kid()}, payload())),
    ("alg None", "malformed", lambda good: by_hand({"alg": "None", "kid": _kid()}, payload())),
    ("HS256 with the public key", "malformed", lambda good: _hs256()),
    ("RS512 with our key", "malformed", lambda good: signed(payload(), algorithm="RS512")),
    ("PS256 with our key", "malformed", lambda good: signed(payload(), algorithm="PS256")),
    ("no kid", "unknown_key", lambda good: by_hand({"alg": "RS256"}, payload())),
    ("other kid", "unknown_key", lambda good: signed(payload(), kid="other")),
    ("another's key under our kid", "malformed", lambda good: signed(payload(), key=_other_key())),
    ("another's key, sent along", "malformed", lambda good: signed(payload(), key=_other_key(), jwk={})),
    ("another curve", "malformed", lambda good: signed(payload(), key=_elliptic(), algorithm="ES256")),
    ("critical header", "malformed", lambda good: signed(payload(), crit=["x"], x=1)),
    ("another installation", "malformed", lambda good: signed(payload(iss="other"))),
    ("no issuer", "malformed", lambda good: signed(payload(iss=None))),
    ("no expiry", "malformed", lambda good: signed(payload(exp=None))),
    ("expiry is a word", "malformed", lambda good: signed(payload(exp="never"))),
    ("expiry beyond time", "malformed", lambda good: signed(payload(exp=10**20))),
    ("no user", "malformed", lambda good: signed(payload(user_id=None))),
    ("user is a name", "malformed", lambda good: signed(payload(user_id="alice"))),
    ("id is no UUID", "malformed", lambda good: signed(payload(jti="1 OR 1=1"))),
    ("issued in the future", "malformed", lambda good: signed(payload(iat=2**32))),
    ("not valid yet", "malformed", lambda good: signed(payload(nbf=2**32))),
    ("expired", "expired", lambda good: signed(payload(exp=1))),
    ("signed by us, without a row", "revoked", lambda good: signed(payload())),
]


@pytest.mark.parametrize(("reason", "attack"), [row[1:] for row in ATTACKS], ids=[row[0] for row in ATTACKS])
def test_refused(alice, token_for, reason, attack):
    assert refusal(attack(token_for(alice))) == reason


def test_expiry_is_asked_each_time(alice, token_for, monkeypatch):
    text = token_for(alice, lifetime=timedelta(minutes=1))
    tokens.verify(text)
    later = datetime.now(UTC) + timedelta(minutes=1)
    monkeypatch.setattr("accounts.tokens.timezone.now", lambda: later)
    assert refusal(text) == "expired"


@pytest.mark.django_db(transaction=True)
def test_no_database_query_when_all_is_well(alice, token_for, django_assert_num_queries):
    text = token_for(alice)
    with django_assert_num_queries(0):
        tokens.verify(text)
        tokens.verify(text)


def test_signature_is_checked_once_and_the_cache_is_bounded(alice, token_for):
    tokens._signed.cache_clear()
    text = token_for(alice)
    for _ in range(3):
        tokens.verify(text)
    assert (tokens._signed.cache_info().misses, tokens._signed.cache_info().hits) == (1, 2)
    assert tokens._signed.cache_info().maxsize == 4096


def test_refused_tokens_take_no_room_in_the_cache(db):
    tokens._signed.cache_clear()
    for number in range(50):
        refusal(by_hand({"alg": "RS256", "kid": str(number)}, payload()))
    assert tokens._signed.cache_info().currsize == 0


def test_token_is_in_no_log(alice, token_for, caplog):
    caplog.set_level(logging.DEBUG)
    text = token_for(alice)
    tokens.verify(text)
    refusal(text[:-20])
    refusal(signed(payload(exp=1)))
    assert not any(part in caplog.text for part in text.split("."))
