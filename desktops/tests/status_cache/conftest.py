"""Fixtures with a desktop whose snapshot is cached in Redis."""

import pytest
from django.utils import timezone

from desktops import status_cache
from desktops.desktop_snapshot import DesktopSnapshot
from desktops.models import Desktop, Status
from desktops.tests.support.status_cache_probe import THERE, known, warm


@pytest.fixture
def running(make_desktop, alice) -> Desktop:
    """Return a running desktop whose snapshot is cached in Redis."""
    desktop = make_desktop(alice, status=Status.RUNNING, started_at=timezone.now(), **THERE)
    return warm(desktop)


@pytest.fixture
def same_as_row(django_assert_num_queries):
    """Return a function that checks that a snapshot equals the row, and that a cached one needs no query."""

    def compare(desktop: Desktop) -> DesktopSnapshot:
        row = Desktop.snapshot_of(desktop.object_name)
        with django_assert_num_queries(0 if row.status in status_cache.CACHED else 1):
            assert known(desktop) == row
        return row

    return compare
