"""System checks of accounts, each with an id and a hint."""

from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError

from accounts import keys, username_clashes
from accounts.models import Quota

_MAKE = "`manage.py make_token_key` prints a suitable one."


@register()
def signing_key_is_usable(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if not settings.TOKEN_SIGNING_KEY:
        return []  # reported by portal.E001
    return _faults("TOKEN_SIGNING_KEY", "accounts.E001", lambda pem: [keys.read_private(pem).public_key()])


@register()
def verify_keys_are_usable(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    return _faults("TOKEN_VERIFY_KEYS", "accounts.E003", keys.read_public)


def _faults(name: str, check_id: str, read: Callable[[str], list[RSAPublicKey]]) -> list[CheckMessage]:
    try:
        found = read(getattr(settings, name))
    except keys.UnusableKey as fault:
        return [Error(f"{name} cannot be used: {fault}.", hint=f"Provide RSA keys in PEM form. {_MAKE}", id=check_id)]
    short = [key.key_size for key in found if key.key_size < keys.SMALLEST_BITS]
    return [
        Error(f"A key in {name} has {bits} bits, fewer than {keys.SMALLEST_BITS}.", hint=_MAKE, id="accounts.E002")
        for bits in short
    ]


@register(Tags.database)
def usernames_are_distinct(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Run with `check --database default` and after `migrate`."""
    try:
        groups = username_clashes.clashes() if kwargs.get("databases") else []
    except DatabaseError:
        return []  # the column does not exist before this version's migration
    hint = "`manage.py resolve_username_clashes` shows what it would change; --apply makes the changes."
    return [Warning(_clash([user.username for user in users]), hint=hint, id="accounts.W002") for users in groups]


def _clash(names: list[str]) -> str:
    if len(names) == 1:
        return f"The username {names[0]} no longer clashes with another, but is not protected yet."
    return f"These usernames differ only by case or Unicode form: {', '.join(names)}."


@register(Tags.database)
def default_quota_exists(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Run with `check --database default` and after `migrate`."""
    try:
        if not kwargs.get("databases") or Quota.objects.filter(user=None, group=None).exists():
            return []
    except DatabaseError:
        return []  # the table does not exist before the first migration
    return [
        Warning(
            "There is no default quota: users without a quota of their own or of a group cannot launch desktops.",
            hint="In the admin, add a quota without user and group.",
            id="accounts.W001",
        )
    ]
