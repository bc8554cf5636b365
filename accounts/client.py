"""The person and the address behind a request, for the audit."""

from django.http import HttpRequest

from accounts.audit import Actor
from accounts.models import User
from core import client_address


def actor(request: HttpRequest) -> Actor:
    """For views behind a login."""
    assert isinstance(request.user, User)  # noqa: S101 - login_required stands before  # nosec B101
    return Actor(request.user, client_address.address(request) or None)
