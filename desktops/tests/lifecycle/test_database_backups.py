"""Runs of the part `backup` are rows, which the controller shows as metrics."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from desktops.lifecycle import database_backups
from desktops.models import DatabaseBackup

pytestmark = pytest.mark.django_db
TIMES, FAILED, SIZES = database_backups.FAMILIES
KEY = (database_backups.REPOSITORY,)


def started_before(**ago: float) -> None:
    database_backups.record_start()
    last = DatabaseBackup.objects.latest("pk")
    DatabaseBackup.objects.filter(pk=last.pk).update(started_at=timezone.now() - timedelta(**ago))


def test_no_value_before_the_first_run():
    assert [database_backups.samples()[name] for name in (TIMES, FAILED, SIZES)] == [{}, {}, {}]


def test_success_has_its_time_and_size(django_assert_num_queries):
    database_backups.record_start()
    database_backups.record_success(1234)
    with django_assert_num_queries(1):
        found = database_backups.samples()
    assert found[TIMES][KEY] == pytest.approx(timezone.now().timestamp(), abs=60)
    assert (found[FAILED][KEY], found[SIZES][KEY]) == (0, 1234)


def test_run_has_failed_an_hour_after_its_start_and_the_earlier_success_stays():
    started_before(hours=24)
    database_backups.record_success(1234)
    success = database_backups.samples()[TIMES]
    started_before(minutes=59)
    assert database_backups.samples()[FAILED][KEY] == 0
    DatabaseBackup.objects.filter(succeeded_at=None).update(started_at=timezone.now() - timedelta(minutes=61))
    found = database_backups.samples()
    assert found[FAILED][KEY] == 1
    assert found[TIMES] == success


def test_first_run_that_failed_has_no_success():
    started_before(hours=2)
    found = database_backups.samples()
    assert (found[TIMES][KEY], found[FAILED][KEY]) == (0, 1)


def test_second_attempt_is_the_one_that_succeeds():
    started_before(minutes=61)
    database_backups.record_start()
    database_backups.record_success(1)
    assert database_backups.samples()[FAILED][KEY] == 0


def test_old_rows_go():
    started_before(days=91)
    database_backups.record_start()
    assert DatabaseBackup.objects.count() == 1


def test_command_records_a_run_and_writes_the_address_for_our_group_alone(tmp_path):
    service, dump = tmp_path / "pg_service.conf", tmp_path / "dump"
    dump.write_bytes(b"x" * 99)
    if connection.vendor != "postgresql":
        with pytest.raises(CommandError, match="for PostgreSQL"):
            call_command("record_database_backup", started=service)
        return
    call_command("record_database_backup", started=service)
    assert service.stat().st_mode & 0o777 == 0o640
    call_command("record_database_backup", succeeded=dump)
    assert database_backups.samples()[SIZES][KEY] == 99
