"""Limit wrong passwords: django-axes counts and locks; this module audits, and knows when a lock ends."""

from datetime import datetime, timedelta
from itertools import accumulate
from math import ceil
from typing import Any

from axes.models import AccessAttempt
from axes.utils import reset
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.request import Request

from accounts import audit, metrics, services
from accounts.audit import Actor
from accounts.models import User
from accounts.usernames import username_key
from core import client_address, rate_limits


def record_failure(request: HttpRequest | Request, username: str, *, locked: bool) -> None:
    """Record a failed login. Call it after authenticate() has failed.

    Axes counts wrong passwords only: neither an empty form nor attempts during a lock.
    """
    if getattr(request, "axes_failures_since_start", None) is not None:
        metrics.count_failed_login(locked=locked)
        services.record_failed_login(username=username, address=client_address.address(request) or None, locked=locked)


def counted_address(request: HttpRequest) -> str:
    """Return the client's address for axes, which never locks clients without one: unknown addresses share one."""
    return client_address.counted(client_address.address(request)) or "0.0.0.0"  # noqa: S104 - not bound  # nosec B104


def counted_name(request: HttpRequest, credentials: dict[str, Any] | None = None) -> str:
    """Return the name for axes, so that attempts with any spelling of a name are attempts at one account."""
    given = credentials.get("username") if credentials else request.POST.get("username")
    return username_key(given or "")


def may_try(request: HttpRequest) -> bool:
    """Whether this address may try another password.

    Axes locks one name from one address; this limits clients that try many names, on the page and in the API together.
    Successful logins are not counted.
    """
    limit = settings.API_RATES["login"]
    left = rate_limits.remaining({"login": (limit, counted_address(request))}) if limit else {}
    return left.get("login", 0) >= 0


def record_success(request: HttpRequest) -> None:
    """Take a successful login out of the rate limit."""
    if settings.API_RATES["login"]:
        rate_limits.refund("login", counted_address(request))


def seconds_left(username: str, address: str) -> int:
    """Return the seconds until the next attempt is accepted, at least 1. `address` comes from counted_address()."""
    cooloff = timedelta(hours=settings.AXES_COOLOFF_TIME)
    attempts = AccessAttempt.objects.filter(
        username=username_key(username), ip_address=address, attempt_time__gte=timezone.now() - cooloff
    ).order_by("-attempt_time")
    counted = list(attempts.values_list("attempt_time", "failures_since_start"))
    return max(1, ceil((_locked_since(counted) + cooloff - timezone.now()).total_seconds()))


def _locked_since(counted: list[tuple[datetime, int]]) -> datetime:
    """Return the time from which a lock is measured: that of the row with which the sum reaches the limit.

    Axes keeps a row per browser; `counted` has them newest first.
    """
    for (at, _), total in zip(counted, accumulate(failures for _, failures in counted), strict=True):
        if total >= settings.AXES_FAILURE_LIMIT:
            return at
    return timezone.now()


@transaction.atomic
def unlock(*, user: User, by: Actor) -> None:
    """Forget the failures of this name from all addresses."""
    reset(username=username_key(user.get_username()))
    audit.record("login.unlock", by=by, target=user)
