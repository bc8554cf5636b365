"""Of a start and a restore at the same moment, exactly one wins, on SQLite and on PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from accounts.audit import Actor
from desktops import services
from desktops.exceptions import BeingRestored, RestoreWhileRunning
from desktops.lifecycle.backups import requests
from desktops.models import Backup, BackupTask, Desktop, Status

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("backups_on")]


def test_a_start_and_a_restore_exclude_each_other(make_desktop, make_backup, alice):
    desktops = [make_desktop(alice, name=f"d{number}") for number in range(6)]
    backups = [make_backup(desktop.volume) for desktop in desktops]
    for desktop, backup in zip(desktops, backups, strict=True):
        both = Barrier(2)
        with ThreadPoolExecutor(2) as pool:
            started = pool.submit(in_thread, both, start, desktop.pk)
            restored = pool.submit(in_thread, both, restore, backup.pk)
            assert sorted([started.result(), restored.result()]) == [False, True]
        Desktop.objects.filter(pk=desktop.pk).update(status=Status.STOPPED)
        BackupTask.objects.all().delete()


def in_thread(both: Barrier, work, pk) -> bool:
    try:
        both.wait(10)
        work(pk)
    except (BeingRestored, RestoreWhileRunning):
        return False
    finally:
        connection.close()
    return True


def start(pk) -> None:
    desktop = Desktop.objects.get(pk=pk)
    services.start_desktop(desktop=desktop, by=Actor(desktop.owner))


def restore(pk) -> None:
    backup = Backup.objects.get(pk=pk)
    requests.restore(backup=backup, by=Actor(backup.repository.owner))
