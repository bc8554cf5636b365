"""Secrets at rest: encrypted in the database, readable only with SECRETS_KEYS."""

from functools import cache

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings


@cache
def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.SECRETS_KEYS])


def encrypt(text: str) -> str:
    return _fernet().encrypt(text.encode()).decode()


def decrypt(sealed: str) -> str:
    """Raises cryptography.fernet.InvalidToken when none of SECRETS_KEYS made it."""
    return _fernet().decrypt(sealed.encode()).decode()
