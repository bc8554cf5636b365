"""Fixtures of every test: alice, bob, an admin; clients; desktops."""

from collections.abc import Callable

import pytest
from django.core.cache import cache
from django.test import Client

from accounts.models import User
from accounts.redis import client as redis_client


@pytest.fixture(autouse=True)
def empty_redis():
    """Redis holds nothing that cannot be rebuilt: each test begins without."""
    redis_client().flushdb()
    cache.clear()


@pytest.fixture
def alice(db) -> User:
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
