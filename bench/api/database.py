"""A PostgreSQL for one run that logs its statements on demand."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg

from bench.cluster.records import Log
from podesk_cli.commands import Runner
from podesk_cli.folders import CHECKOUT
from podesk_cli.report import Progress
from podesk_cli.testing import throwaway_postgres

_ASKED = re.compile(rb"^web\|LOG:  (?:statement|execute [^:]*):", re.MULTILINE)  # BEGIN and COMMIT too


class Database:
    def __init__(self, url: str) -> None:
        self.url = url
        self._log = Log(Path(unquote(urlsplit(url).netloc.partition("@")[2])) / "postgres.log")

    def trips(self, work: Callable[[], object]) -> int:
        """Run `work` and return how many statements the connections named "web" sent meanwhile."""
        self._set("log_statement = 'all'", "log_line_prefix = '%a|'")
        try:
            self._log.new()
            work()
            return len(_ASKED.findall(self._log.new()))
        finally:
            self._set("log_statement = 'none'")

    def _set(self, *settings: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            for setting in settings:
                connection.execute(f"ALTER SYSTEM SET {setting}".encode())
            connection.execute("SELECT pg_reload_conf()")


@contextmanager
def database(folder: Path) -> Iterator[Database]:
    with throwaway_postgres(Runner(CHECKOUT, folder / "postgres-setup.log", Progress(total=1))) as url:
        yield Database(url)
