"""`manage.py list_orphans`: list home folders that belong to no desktop and no kept volume, one per line."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from desktops.lifecycle import orphaned_volumes
from desktops.runtimes.base import RuntimeFault, RuntimeUnknown


class Command(BaseCommand):
    help = "Lists home folders that exist but have no row in the database. Deletes nothing."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            lost = orphaned_volumes.unknown_volumes()
        except (RuntimeFault, RuntimeUnknown) as error:
            raise CommandError(f"The runtime could not list the home folders: {error}")
        for name in lost:
            self.stdout.write(name)
        if not lost:
            self.stderr.write("No orphaned home folders.")
