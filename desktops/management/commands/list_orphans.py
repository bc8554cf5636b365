"""`manage.py list_orphans`: home folders that no desktop has and nobody kept, one name a line."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from desktops.lifecycle import orphaned_volumes
from desktops.runtimes.base import RuntimeFault, RuntimeUnknown


class Command(BaseCommand):
    help = "Lists home folders that exist and that no row knows of. Deletes nothing."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            lost = orphaned_volumes.unknown_volumes()
        except (RuntimeFault, RuntimeUnknown) as error:
            raise CommandError(f"The machines that run desktops do not say which folders there are: {error}")
        for name in lost:
            self.stdout.write(name)
        if not lost:
            self.stderr.write("There are none.")
