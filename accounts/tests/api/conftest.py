"""Fixtures for API scripts with session tokens."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from accounts.tests.conftest import published_disconnects

__all__ = ["published_disconnects"]


@pytest.fixture
def obtained() -> Callable[..., dict[str, Any]]:
    """Return a function that requests a token of a user and returns the answer. It takes further fields of the body."""

    def make(user: User, **fields: Any) -> dict[str, Any]:
        body = {"username": user.username, "password": f"{user.username}'s password", **fields}
        answer = Client().post("/api/v1/auth/token", body, content_type="application/json")
        assert answer.status_code == 201, answer.content
        return dict(answer.json())

    return make


@pytest.fixture
def script() -> Callable[[dict[str, Any]], Client]:
    """Return a function that makes a client with the token of such an answer."""
    return lambda issued: Client(headers={"X-User-Token": issued["token"]})
