"""Encrypt secrets that are stored in the database. Only SECRETS_KEYS can decrypt them."""

from functools import cache

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings


@cache
def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.SECRETS_KEYS])


def encrypt(text: str) -> str:
    return _fernet().encrypt(text.encode()).decode()


def decrypt(sealed: str) -> str:
    """Return the plain text. Raises cryptography.fernet.InvalidToken if none of SECRETS_KEYS fits."""
    return _fernet().decrypt(sealed.encode()).decode()
