"""Fixtures for tests of backups: a place for them, and rows as the controller leaves them."""

import os
from collections.abc import Callable
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.audit import Actor
from desktops.lifecycle.backups import repositories
from desktops.models import Backup, BackupTask, Volume


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
