"""Fixtures for all tests: alice, bob, an admin, clients and desktops."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import SyncToAsync
from django.apps import apps
from django.core.cache import cache
from django.core.management import CommandError
from django.db import connection, connections
from django.test import Client, TransactionTestCase
from django.utils import translation

from accounts import tokens
from accounts.models import Quota, User
from core.redis import client as redis_client
from desktops.lifecycle import heartbeat
from desktops.lifecycle.runs import fresh_run
from desktops.models import Backup, Desktop, DesktopImage, DesktopSize, Status, Volume
from tests.support import home_backups
from tests.support.home_backups import StoredBackup
from tests.support.scheduling import Lanes


def pytest_xdist_make_scheduler(config, log):
    """Use our own scheduler for `--dist loadfile`."""
    return Lanes(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """Allow TRUNCATE, which follows tests that commit and which the audit trail refuses on PostgreSQL."""
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute("ALTER TABLE accounts_auditevent DISABLE TRIGGER accounts_auditevent_no_truncate")
    yield
    # PostgreSQL deletes no database that has connections. The thread of `sync_to_async` keeps one open.
    SyncToAsync.single_thread_executor.submit(connections.close_all).result()


@pytest.fixture(scope="session", autouse=True)
def flush_again_after_a_deadlock():
    """Repeat the TRUNCATE after a test: a server that the test started may read rows at that moment.

    PostgreSQL then ends one of the two, and it may be the TRUNCATE.
    """
    flush = TransactionTestCase._fixture_teardown

    def teardown(case: TransactionTestCase) -> None:
        for _ in range(3):
            with suppress(CommandError):
                return flush(case)
        return flush(case)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", teardown)
        yield


@pytest.fixture(autouse=True)
def empty_redis():
    """Empty Redis before each test. It holds only data that can be rebuilt."""
    redis_client().flushdb()
    cache.clear()


@pytest.fixture(autouse=True)
def english():
    """Reset the language, which a request leaves active in its thread."""
    translation.deactivate()


@pytest.fixture(autouse=True)
def quick_passwords(settings):
    """Use a fast password hash. The real one is slow on purpose, and no test is about it."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def static_files_as_they_lie(settings):
    """Serve static files without the manifest of content hashes, which collectstatic makes."""
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = settings.STORAGES | {"staticfiles": plain}


@pytest.fixture
def old_redis(monkeypatch) -> None:
    """Treat Redis as one that started long ago, so that a key that it does not have is really missing."""
    monkeypatch.setattr(heartbeat, "NEW_FOR", 0)


@pytest.fixture
def first_rows(db) -> None:
    """Create the rows of a new installation, because tests that commit leave empty tables behind."""
    if not Quota.objects.exists():
        for migration in ("accounts.migrations.0002_default_quota", "desktops.migrations.0002_first_image"):
            import_module(migration).create(apps, None)


@pytest.fixture
def alice(first_rows) -> User:
    return User.objects.create_user("alice", password="alice's password")


@pytest.fixture
def bob(db) -> User:
    return User.objects.create_user("bob", password="bob's password")


@pytest.fixture
def admin(db) -> User:
    return User.objects.create_superuser("admin", password="admin's password")


@pytest.fixture
def client_for() -> Callable[[User], Client]:
    """Return a function that makes a browser in which a user is signed in."""

    def make(user: User) -> Client:
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return make


@pytest.fixture
def api_for() -> Callable[..., Client]:
    """Return a function that makes a client with a session token of a user, with the scope of TokenScope."""

    def make(user: User, *, permissions: tuple[str, ...] = ("vnc", "ssh"), pod_name: str = "") -> Client:
        scope = tokens.TokenScope("script", pod_name=pod_name, permissions=permissions)
        return Client(headers={"X-User-Token": tokens.issue(user, scope=scope)})

    return make


@pytest.fixture
def image(first_rows) -> DesktopImage:
    """Return the image of a new installation."""
    return DesktopImage.objects.get()


@pytest.fixture
def small(first_rows) -> DesktopSize:
    return DesktopSize.objects.get(name="Small")


@pytest.fixture
def make_desktop(image, small) -> Callable[..., Desktop]:
    """Return a function that makes the row of a desktop as the portal would leave it. It takes the model's fields."""

    def make(owner: User, **fields: Any) -> Desktop:
        identity = uuid4()
        name = fields.pop("name", "desktop")
        volume = Volume.objects.create(
            owner=owner, object_name=f"home-{identity}", desktop_name=name, storage_gib=small.storage_gib
        )
        size = {key: getattr(small, key) for key in ("cpu", "memory_mib", "storage_gib", "gpu")}
        return Desktop.objects.create(
            **{
                "id": identity,
                "owner": owner,
                "name": name,
                "image": image,
                "size_name": small.name,
                "volume": volume,
                "object_name": f"vnc-{identity}",
                "status": Status.STOPPED,
            }
            | size
            | fresh_run()
            | fields
        )

    return make


@pytest.fixture(scope="session")
def stored_backup(tmp_path_factory) -> StoredBackup:
    """Return a real repository with one backup. No test may change it."""
    return home_backups.store(tmp_path_factory.mktemp("backups"))


@pytest.fixture
def make_backup(stored_backup, settings) -> Callable[[Volume], Backup]:
    """Return a function that makes the rows of a backup of a home folder. Its contents are those of `stored_backup`."""
    settings.BACKUP_REPOSITORY, settings.BACKUP_KEY = str(stored_backup.location), home_backups.KEY
    return partial(home_backups.rows, stored_backup)
