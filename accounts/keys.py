"""The RSA keys of session tokens: one signs, the others only verify, so that keys can rotate. RFC 7517, 7638."""

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
    """The text contains no usable RSA key. The message never contains the key."""


@dataclass(frozen=True, eq=False)  # compared by identity: each keyring has its own cache of verified tokens
class Keyring:
    signing_key: RSAPrivateKey
    signing_kid: str
    public_keys: dict[str, RSAPublicKey]  # by kid


def keyring() -> Keyring:
    """Return the keys from the settings, parsed once. Raises UnusableKey; the system checks report it at start."""
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
        raise UnusableKey("not a private key in PEM form without a passphrase") from None
    if not isinstance(key, RSAPrivateKey):
        raise UnusableKey("not an RSA key")
    return key


def read_public(pems: str) -> list[RSAPublicKey]:
    """Return all keys in `pems`. A private key is accepted too, so that an old signing key can be moved unchanged."""
    found = [_public(match[0], match[1]) for match in _PEM.finditer(pems)]
    if _PEM.sub("", pems).strip():
        raise UnusableKey("text that is not a PEM block")
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
    """Return the public keys as a JWK set, so that other services can verify our tokens."""
    return {
        "keys": [
            {**_public_members(key), "kid": kid, "use": "sig", "alg": "RS256"}
            for kid, key in keyring().public_keys.items()
        ]
    }


def thumbprint(key: RSAPublicKey) -> str:
    """Return the key's thumbprint by RFC 7638, which serves as its kid: the same everywhere, without configuration."""
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
    """Return a new signing key in PEM form."""
    key = generate_private_key(public_exponent=65537, key_size=SMALLEST_BITS)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
