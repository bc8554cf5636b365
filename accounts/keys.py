"""The RSA keys of session tokens: one signs, the others still verify, so that keys can rotate. RFC 7517, 7638."""

import hashlib
import json
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from django.conf import settings

SMALLEST_BITS = 2048
_PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----.+?-----END \1-----", re.DOTALL)


class UnusableKey(ValueError):
    """The text holds no RSA key that can be read. The message never holds the key."""


@dataclass(frozen=True, eq=False)  # compared by identity: the cache of verified tokens belongs to one keyring
class Keyring:
    signing_key: RSAPrivateKey
    signing_kid: str
    public_keys: dict[str, RSAPublicKey]  # by kid


def keyring() -> Keyring:
    """The keys of the settings, parsed once. Raises UnusableKey; the system checks say so before anybody waits."""
    return _keyring(settings.TOKEN_SIGNING_KEY, settings.TOKEN_VERIFY_KEYS)


@lru_cache(maxsize=2)
def _keyring(signing_pem: str, verify_pems: str) -> Keyring:
    signing_key = read_private(signing_pem)
    public_keys = [signing_key.public_key(), *read_public(verify_pems)]
    return Keyring(signing_key, thumbprint(public_keys[0]), {thumbprint(key): key for key in public_keys})


def read_private(pem: str) -> RSAPrivateKey:
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: the key has a passphrase
        raise UnusableKey("not a private key in PEM form without passphrase") from None
    if not isinstance(key, RSAPrivateKey):
        raise UnusableKey("not an RSA key")
    return key


def read_public(pems: str) -> list[RSAPublicKey]:
    """All keys of `pems`, one after another. A private key serves too: the old signing key, moved over as it is."""
    found = [_public(match[0], match[1]) for match in _PEM.finditer(pems)]
    if _PEM.sub("", pems).strip():
        raise UnusableKey("text that is no PEM block")
    return found


def _public(pem: str, label: str) -> RSAPublicKey:
    if "PRIVATE KEY" in label:
        return read_private(pem).public_key()
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise UnusableKey("not a public key in PEM form") from None
    if not isinstance(key, RSAPublicKey):
        raise UnusableKey("not an RSA key")
    return key


def jwks() -> dict[str, Any]:
    """The public keys for others to verify our tokens with."""
    return {
        "keys": [
            {**_public_members(key), "kid": kid, "use": "sig", "alg": "RS256"}
            for kid, key in keyring().public_keys.items()
        ]
    }


def thumbprint(key: RSAPublicKey) -> str:
    """RFC 7638: the same key has the same kid everywhere, and nobody has to invent names."""
    canonical = json.dumps(_public_members(key), sort_keys=True, separators=(",", ":"))
    return _base64url(hashlib.sha256(canonical.encode()).digest())


def _public_members(key: RSAPublicKey) -> dict[str, str]:
    numbers = key.public_numbers()
    return {"kty": "RSA", "n": _base64url_int(numbers.n), "e": _base64url_int(numbers.e)}


def _base64url_int(number: int) -> str:
    return _base64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _base64url(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode()


def new_pem() -> str:
    """A fresh signing key."""
    key = generate_private_key(public_exponent=65537, key_size=SMALLEST_BITS)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
