"""Wrong passwords: django-axes counts and refuses; this writes the trail, and tells when it will stop."""

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

from accounts import audit, services
from accounts.audit import Actor
from accounts.models import User
from accounts.usernames import username_key
from core import client_address, rate_limits


def record_failure(request: HttpRequest | Request, username: str, *, locked: bool) -> None:
    """Call when authenticate() has said no. Axes counts wrong passwords only: neither an empty form nor what comes
    while the lock holds."""
    if getattr(request, "axes_failures_since_start", None) is not None:
        services.record_failed_login(username=username, address=client_address.address(request) or None, locked=locked)


def counted_address(request: HttpRequest) -> str:
    """Where no address is known, all count as one: axes never locks a client without."""
    return client_address.counted(client_address.address(request)) or "0.0.0.0"  # noqa: S104 - nobody listens there  # nosec B104


def counted_name(request: HttpRequest, credentials: dict[str, Any] | None = None) -> str:
    """For axes: attempts by any spelling of a name are attempts at one account."""
    given = credentials.get("username") if credentials else request.POST.get("username")
    return username_key(given or "")


def may_try(request: HttpRequest) -> bool:
    """Axes locks one name from one address. This slows down who tries many names from there, on the page and at the
    API together; whoever gets in has not counted."""
    limit = settings.API_RATES["login"]
    left = rate_limits.remaining({"login": (limit, counted_address(request))}) if limit else {}
    return left.get("login", 0) >= 0


def got_in(request: HttpRequest) -> None:
    if settings.API_RATES["login"]:
        rate_limits.refund("login", counted_address(request))


def seconds_left(username: str, address: str) -> int:
    """Until the next attempt is looked at; at least 1. `address`: as counted_address() tells it."""
    cooloff = timedelta(hours=settings.AXES_COOLOFF_TIME)
    attempts = AccessAttempt.objects.filter(
        username=username_key(username), ip_address=address, attempt_time__gte=timezone.now() - cooloff
    ).order_by("-attempt_time")
    counted = list(attempts.values_list("attempt_time", "failures_since_start"))
    return max(1, ceil((_locked_since(counted) + cooloff - timezone.now()).total_seconds()))


def _locked_since(counted: list[tuple[datetime, int]]) -> datetime:
    """There is a row per browser, newest first: the lock ends when the one that filled the measure is too old."""
    for (at, _), total in zip(counted, accumulate(failures for _, failures in counted), strict=True):
        if total >= settings.AXES_FAILURE_LIMIT:
            return at
    return timezone.now()


@transaction.atomic
def unlock(*, user: User, by: Actor) -> None:
    """Forget the failures of that name from everywhere."""
    reset(username=username_key(user.get_username()))
    audit.record("login.unlock", by=by, target=user)
