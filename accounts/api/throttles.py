"""Limit the requests per minute, per user and per address.

Without Redis, no request is refused. Password guesses are still limited, since the database counts failed logins.
"""

from math import ceil
from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts.tokens import Claims
from core import client_address, rate_limits
from core.rate_limits import WINDOW, Limits


class RateLimit(BaseThrottle):
    """Sets the headers RateLimit-Policy and RateLimit of the IETF draft "RateLimit header fields for HTTP"."""

    def allow_request(self, request: Request, view: Any) -> bool:
        limits = _limits(request, view)
        left = rate_limits.remaining(limits) if limits else {}
        if left:
            _set_headers(view, limits, left)
        return all(rest >= 0 for rest in left.values())

    def wait(self) -> float:
        return rate_limits.seconds_until_reset()


def _limits(request: Request, view: Any) -> Limits:
    name = view.rate_of(request.method)
    address = client_address.counted(client_address.address(request))
    claims = getattr(request, "auth", None)
    who = claims.user_id if isinstance(claims, Claims) else address
    wanted = {name: who, "address": address}
    return {policy: (limit, who) for policy, who in wanted.items() if (limit := settings.API_RATES[policy])}


def _set_headers(view: Any, limits: Limits, left: dict[str, int]) -> None:
    """Add the headers to `view.headers`, which DRF adds to every response."""
    wait = ceil(rate_limits.seconds_until_reset())
    policies = [f'"{policy}";q={limit};w={WINDOW}' for policy, (limit, _) in limits.items()]
    states = [f'"{policy}";r={max(0, rest)};t={wait}' for policy, rest in left.items()]
    view.headers |= {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(states)}
