"""Rate limits: requests per minute, counted in Redis, per user and per address.

Redis away: nobody is refused. Guessing passwords stays slow all the same, for that lock-out counts in the database."""

import time
from math import ceil
from typing import Any

import redis
import structlog
from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts import client as people
from accounts.redis import client, key
from accounts.tokens import Claims

log = structlog.get_logger("podesk.api")
WINDOW = 60  # seconds; counted from the full minute, so that one INCR does


class RateLimit(BaseThrottle):
    """Headers after the IETF draft "RateLimit header fields for HTTP": RateLimit-Policy and RateLimit."""

    def allow_request(self, request: Request, view: Any) -> bool:
        limits = _limits(request, view)
        left = _left(limits) if limits else {}
        if left:
            _tell(view, limits, left)
        return all(rest >= 0 for rest in left.values())

    def wait(self) -> float:
        return _until_next()


def _limits(request: Request, view: Any) -> dict[str, tuple[int, str]]:
    """By name of the policy: how many per minute, and who is counted."""
    name = view.rate_of(request.method)
    address = people.address(request)
    claims = getattr(request, "auth", None)
    who = claims.user_id if isinstance(claims, Claims) else address
    wanted = {name: who, "address": address}
    return {policy: (limit, who) for policy, who in wanted.items() if (limit := settings.API_RATES[policy])}


def _left(limits: dict[str, tuple[int, str]]) -> dict[str, int]:
    """How many more are allowed, negative when this one is too many; empty when Redis is away."""
    window = int(time.time()) // WINDOW
    pipe = client().pipeline()  # a transaction: no counter stays without its end
    for policy, (_, who) in limits.items():
        counter = key("rate", policy, who, str(window))
        pipe.incr(counter)
        pipe.expire(counter, 2 * WINDOW)
    try:
        counts = pipe.execute()[::2]
    except redis.RedisError as error:
        log.warning("rates_not_counted", error=str(error))
        return {}
    return {policy: limit - count for (policy, (limit, _)), count in zip(limits.items(), counts, strict=True)}


def _tell(view: Any, limits: dict[str, tuple[int, str]], left: dict[str, int]) -> None:
    """DRF puts `view.headers` into whatever is answered."""
    wait = ceil(_until_next())
    policies = [f'"{policy}";q={limit};w={WINDOW}' for policy, (limit, _) in limits.items()]
    states = [f'"{policy}";r={max(0, rest)};t={wait}' for policy, rest in left.items()]
    view.headers |= {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(states)}


def _until_next() -> float:
    return WINDOW - time.time() % WINDOW
