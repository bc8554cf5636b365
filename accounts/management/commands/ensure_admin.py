"""Create the first administrator, with a random password that is printed once."""

import secrets
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction

from accounts.models import User

_NAME = "admin"


class Command(BaseCommand):
    help = "Creates the administrator `admin` when there is none, and prints the password."

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        if User.objects.filter(is_superuser=True).exists():
            return
        name = _NAME
        while User.objects.filter(username=name).exists():  # an ordinary account may have taken the name
            name = f"{_NAME}-{secrets.token_hex(2)}"
        password = secrets.token_urlsafe(12)
        User.objects.create_superuser(name, password=password)
        self.stdout.write(f"User name: {name}\nPassword:  {password}")
