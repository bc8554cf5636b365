"""A restart of the database is an outage in the log of the controller, not an error with a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, connection
from structlog.testing import capture_logs

from desktops.lifecycle import closed_accounts, controller
from desktops.models import Status
from desktops.runtimes.base import Phase

FAILURES = pytest.mark.parametrize("failure", [OperationalError, InterfaceError])


@contextmanager
def database_gone(verb: str, failure: type[Exception]) -> Iterator[list[Any]]:
    """Fail all statements that begin with `verb`, as during a restart. Yield the log."""

    def gone(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith(verb):
            raise failure("terminating connection due to administrator command")
        return execute(sql, *rest)

    with capture_logs() as entries, connection.execute_wrapper(gone):
        yield entries


@FAILURES
def test_a_database_that_goes_during_a_row_ends_the_round(make_desktop, alice, scripted_runtime, failure):
    desktop = make_desktop(alice, status=Status.STARTING)
    scripted_runtime.sees(desktop, Phase.READY)
    with database_gone("UPDATE", failure) as log, pytest.raises(failure):
        controller.compare_one(desktop.object_name)
    assert log == []


@FAILURES
@pytest.mark.django_db
def test_a_database_that_goes_while_accounts_are_compared_ends_the_round(failure):
    with database_gone("SELECT", failure) as log, pytest.raises(failure):
        closed_accounts.release_holdings()
    assert log == []
