"""Wait for the database, its migrations and Redis: `manage.py wait_for_services`. Reports each missing service once."""

import time
from argparse import ArgumentParser
from typing import Any

import redis
from django.core.management.base import BaseCommand
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor

from core.redis import client


class Command(BaseCommand):
    help = "Waits for the database, its migrations and Redis, so that a pod starts when it can work."
    requires_system_checks = []  # the process that starts afterwards runs them

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--unmigrated", action="store_true", help="only until the database answers: for `migrate`")

    def handle(self, *args: Any, unmigrated: bool, **options: Any) -> None:
        reported = ""
        while missing := _database(unmigrated) or ("" if unmigrated else _redis()):
            if missing != reported:
                self.stdout.write(missing)
                reported = missing
            time.sleep(1)


def _database(unmigrated: bool) -> str:
    """Return what is missing as a sentence; empty if nothing is."""
    try:
        connection.ensure_connection()
        if unmigrated:
            return ""
        executor = MigrationExecutor(connection)
        left = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except Error as error:
        connection.close()
        return f"Waiting for the database, which does not answer: {str(error).strip()}"
    return "Waiting for migrations: the job podesk-migrate applies them." if left else ""


def _redis() -> str:
    try:
        client().ping()
    except redis.RedisError as error:
        return f"Waiting for Redis, which does not answer: {error}"
    return ""
