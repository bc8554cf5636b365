"""A PostgreSQL for one run that logs each statement and the connection that sent it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg

from bench.cluster.records import Log
from podesk_cli.commands import Runner
from podesk_cli.folders import CHECKOUT
from podesk_cli.report import Progress
from podesk_cli.testing import throwaway_postgres


@contextmanager
def logging_postgres(folder: Path) -> Iterator[Log]:
    """Yield its log; during the context $DATABASE_URL names it."""
    with throwaway_postgres(Runner(CHECKOUT, folder / "postgres-setup.log", Progress(total=1))) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            for setting in ("log_statement = 'all'", "log_line_prefix = '%a|'"):
                connection.execute(f"ALTER SYSTEM SET {setting}".encode())
            connection.execute("SELECT pg_reload_conf()")
        os.environ["DATABASE_URL"] = url
        try:
            yield Log(Path(unquote(urlsplit(url).netloc.partition("@")[2])) / "postgres.log")
        finally:
            del os.environ["DATABASE_URL"]
