"""Fixtures of every test: alice, bob, an admin; clients; desktops."""

from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.core.cache import cache
from django.core.management import CommandError
from django.db import connection
from django.test import Client, TransactionTestCase
from django.utils import translation

from accounts import tokens
from accounts.models import Quota, User
from core.redis import client as redis_client
from desktops.lifecycle import heartbeat
from desktops.lifecycle.runs import fresh_run
from desktops.models import Desktop, DesktopImage, DesktopSize, Status, Volume
from tests.support.scheduling import Lanes


def pytest_xdist_make_scheduler(config, log):
    """For `--dist loadfile`."""
    return Lanes(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """Tests that commit are followed by a TRUNCATE of all tables, which the audit trail refuses on PostgreSQL."""
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute("ALTER TABLE accounts_auditevent DISABLE TRIGGER accounts_auditevent_no_truncate")


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
    """Redis holds nothing that cannot be rebuilt: each test begins without."""
    redis_client().flushdb()
    cache.clear()


@pytest.fixture(autouse=True)
def english():
    """A request leaves its language behind in the thread that answered it."""
    translation.deactivate()


@pytest.fixture(autouse=True)
def quick_passwords(settings):
    """The hash that protects passwords is slow on purpose; no test is about that."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def static_files_as_they_lie(settings):
    """Without the manifest of content hashes, which collectstatic makes."""
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = settings.STORAGES | {"staticfiles": plain}


@pytest.fixture
def old_redis(monkeypatch) -> None:
    """Redis has run for long: what it does not know of is missing."""
    monkeypatch.setattr(heartbeat, "NEW_FOR", 0)


@pytest.fixture
def first_rows(db) -> None:
    """What a new installation comes with: tests that commit leave empty tables behind."""
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
    """A browser in which that person has logged in."""

    def make(user: User) -> Client:
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return make


@pytest.fixture
def api_for() -> Callable[..., Client]:
    """A script with a session token of that person; `pod_name`, `permissions` as TokenScope takes them."""

    def make(user: User, *, permissions: tuple[str, ...] = ("vnc", "ssh"), pod_name: str = "") -> Client:
        scope = tokens.TokenScope("script", pod_name=pod_name, permissions=permissions)
        return Client(headers={"X-User-Token": tokens.issue(user, scope=scope)})

    return make


@pytest.fixture
def image(first_rows) -> DesktopImage:
    """The image that a new installation comes with."""
    return DesktopImage.objects.get()


@pytest.fixture
def small(first_rows) -> DesktopSize:
    return DesktopSize.objects.get(name="Small")


@pytest.fixture
def make_desktop(image, small) -> Callable[..., Desktop]:
    """A row as it would be after real work; `status`, `name` and other fields as wanted."""

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
