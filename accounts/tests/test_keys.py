"""Keys of session tokens are published, and can be rotated without ending any session."""

from itertools import pairwise

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.core.management import call_command

from accounts import keys, tokens
from accounts.tokens import TokenRefused

PEM = serialization.Encoding.PEM


def public(pem: str) -> str:
    key = keys.read_private(pem).public_key()
    return key.public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def test_others_can_verify_with_the_published_keys(alice, token_for, client):
    answer = client.get("/.well-known/jwks.json")
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    text = token_for(alice)
    published = jwt.PyJWKSet.from_dict(answer.json())[jwt.get_unverified_header(text)["kid"]]
    assert jwt.decode(text, published, algorithms=["RS256"])["user_id"] == str(alice.pk)


def test_nothing_private_is_published(client):
    (key,) = client.get("/.well-known/jwks.json").json()["keys"]
    assert set(key) == {"kty", "n", "e", "kid", "use", "alg"}


def test_published_keys_are_only_read(client):
    assert client.post("/.well-known/jwks.json").status_code == 405


def test_thumbprint_of_the_standard():
    """Use the example of RFC 7638, section 3.1."""
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3"
        "oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdA"
        "ZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-"
        "kEgU8awapJzKnqDKgw"
    )
    key = jwt.PyJWK({"kty": "RSA", "alg": "RS256", "n": modulus, "e": "AQAB"}).key
    assert keys.thumbprint(key) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@pytest.mark.parametrize("form", [str, public], ids=["the private key moved over", "its public half"])
def test_rotation(alice, token_for, settings, client, form):
    old = settings.TOKEN_SIGNING_KEY
    text = token_for(alice)

    settings.TOKEN_SIGNING_KEY, settings.TOKEN_VERIFY_KEYS = keys.new_pem(), form(old) + "\n" + public(keys.new_pem())
    assert tokens.verify(text).user_id == str(alice.pk)
    assert tokens.verify(token_for(alice))
    assert len(client.get("/.well-known/jwks.json").json()["keys"]) == 3

    settings.TOKEN_VERIFY_KEYS = ""
    with pytest.raises(TokenRefused) as refused:
        tokens.verify(text)
    assert refused.value.reason == "unknown_key"


@pytest.mark.parametrize("form", [str, public], ids=["private", "public"])
def test_in_three_steps_no_replica_refuses_what_another_signs(alice, token_for, settings, form):
    """Rotate as docs/operations.md says. During a rollout some replicas have the old settings, some the new ones."""
    old, new = settings.TOKEN_SIGNING_KEY, keys.new_pem()
    steps = [(old, ""), (old, form(new)), (new, public(new) + public(old))]
    for before, after in pairwise(steps):
        for signs, reads in ((before, after), (after, before)):
            settings.TOKEN_SIGNING_KEY, settings.TOKEN_VERIFY_KEYS = signs
            text = token_for(alice)
            settings.TOKEN_SIGNING_KEY, settings.TOKEN_VERIFY_KEYS = reads
            assert tokens.verify(text)


def test_new_key_is_usable(capsys, settings, db, alice, token_for):
    call_command("make_token_key")
    settings.TOKEN_SIGNING_KEY = capsys.readouterr().out.strip()
    assert tokens.verify(token_for(alice))


@pytest.mark.parametrize(
    "pem",
    [
        "",
        "key",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode(),
        keys.read_private(keys.new_pem())
        .private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret"))
        .decode(),
    ],
    ids=["empty", "a word", "not base64 of a key", "elliptic curve", "with passphrase"],
)
def test_unusable_key(pem):
    with pytest.raises(keys.UnusableKey) as fault:
        keys.read_private(pem)
    assert "BEGIN" not in str(fault.value)
