"""Identify the person and the address behind a request, for the audit."""

from django.http import HttpRequest

from accounts.audit import Actor
from accounts.models import User
from core import client_address


def actor(request: HttpRequest) -> Actor:
    """Return who acts. Only for views that require a login."""
    assert isinstance(request.user, User)  # noqa: S101 - ensured by login_required  # nosec B101
    return Actor(request.user, client_address.address(request) or None)
