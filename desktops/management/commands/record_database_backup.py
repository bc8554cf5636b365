"""`manage.py record_database_backup`: used by the part `backup` before and after it saves PostgreSQL."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from core import postgres_service
from desktops.lifecycle import database_backups


class Command(BaseCommand):
    help = "Records that a backup of the database starts or has succeeded. docs/operations.md describes the part."

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--started", type=Path, metavar="FILE", help="where to write the address for pg_dump")
        what.add_argument("--address", type=Path, metavar="FILE", help="only write that address, for a restore")
        what.add_argument("--succeeded", type=Path, metavar="DUMP", help="the dump, for its size")

    def handle(self, *args: Any, **options: Any) -> None:
        if connection.vendor != "postgresql":
            raise CommandError("This is for PostgreSQL. ./podesk backup saves an installation with SQLite.")
        if options["started"]:
            database_backups.record_start()
            postgres_service.write(options["started"], settings.DATABASES["default"])
        elif options["address"]:
            postgres_service.write(options["address"], settings.DATABASES["default"])
        else:
            database_backups.record_success(options["succeeded"].stat().st_size)
