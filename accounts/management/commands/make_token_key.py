"""Print a new signing key for session tokens: the value of TOKEN_SIGNING_KEY."""

from typing import Any

from django.core.management.base import BaseCommand

from accounts import keys


class Command(BaseCommand):
    help = "Prints a new RSA key in PEM form, for TOKEN_SIGNING_KEY. Move the old one to TOKEN_VERIFY_KEYS."
    requires_system_checks = []  # the checks fail until this command has made the key

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(keys.new_pem(), ending="")
