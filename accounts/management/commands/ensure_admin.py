"""Create the first administrator, with a given password or with a random one that is printed once."""

import secrets
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from accounts.models import User

_NAME = "admin"


class Command(BaseCommand):
    help = "Creates the administrator `admin` if there is none, and prints the password unless a file provides it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--password-file", type=Path, help="file with the password, which is then not printed")

    @transaction.atomic
    def handle(self, *args: Any, password_file: Path | None, **options: Any) -> None:
        if User.objects.filter(is_superuser=True).exists():
            return
        name = _NAME
        while User.objects.named(name):  # an ordinary account may already have this name
            name = f"{_NAME}-{secrets.token_hex(2)}"
        given = _read(password_file) if password_file else ""
        password = given or secrets.token_urlsafe(12)
        User.objects.create_superuser(name, password=password)
        self.stdout.write(f"Username: {name}" if given else f"Username: {name}\nPassword: {password}")


def _read(path: Path) -> str:
    """Return the password. Raises CommandError, since an administrator with an empty password could not sign in."""
    try:
        password = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} cannot be read: {getattr(error, 'strerror', '') or 'not text'}.") from error
    if not password:
        raise CommandError(f"{path} is empty. Write the administrator's password to it.")
    return password
