"""Fixtures for tests of backups: a place for them, and rows as the controller leaves them."""

import os
from collections.abc import Callable, Iterator
from uuid import uuid4

import django_rq
import pytest
from django.utils import timezone

from accounts.audit import Actor
from core.redis import client, key
from desktops.lifecycle.backups import repositories, rounds
from desktops.models import Backup, BackupTask, Volume
from desktops.runtimes import get_backup_engine
from desktops.tests.support.scripted_backup_engine import ScriptedBackupEngine


@pytest.fixture
def backups_on(settings, tmp_path) -> None:
    settings.BACKUP_REPOSITORY = os.fspath(tmp_path / "backups")
    settings.BACKUP_KEY = "k" * 40


@pytest.fixture
def by_alice(alice) -> Actor:
    return Actor(alice, "192.0.2.1")


@pytest.fixture
def make_backup() -> Callable[..., Backup]:
    """Return a function that makes the row of a backup of a home folder. It takes the model's fields."""

    def make(volume: Volume, **fields) -> Backup:
        repository = repositories.repository_of(volume)
        made = {"snapshot": uuid4().hex, "trigger": BackupTask.Trigger.REQUEST, "created_at": timezone.now()}
        return Backup.objects.create(repository=repository, **made | fields)

    return make


@pytest.fixture
def engine(monkeypatch, scripted_runtime, backups_on) -> Iterator[ScriptedBackupEngine]:
    """Use a backup engine that reports what the test sets."""
    scripted = ScriptedBackupEngine()
    monkeypatch.setattr("desktops.runtimes.local.backup_engine.LocalBackupEngine", lambda *_, **__: scripted)
    get_backup_engine.cache_clear()
    yield scripted
    get_backup_engine.cache_clear()


@pytest.fixture
def go_round(django_capture_on_commit_callbacks) -> Callable[[], None]:
    """Return a function that does one round of the controller, and then the jobs of backups that it queued."""

    def go() -> None:
        with django_capture_on_commit_callbacks(execute=True):
            rounds.compare()
        run_jobs()

    return go


def run_jobs() -> None:
    """Run the waiting jobs of backups, as a worker would. Other jobs stay in the queue."""
    queue = django_rq.get_queue("desktops")
    for job in queue.jobs:
        if job.func_name.startswith("desktops.lifecycle.backups."):
            queue.remove(job)
            job.func(*job.args)
    for again in client().scan_iter(key("again-*")):
        client().delete(again)  # no pause between two repeats
