"""Run the proxy's database queries outside the event loop, in a few threads and so with few connections."""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar
from uuid import UUID

from django.db import close_old_connections
from django.db.models import Q
from django.utils import timezone

from accounts.models import SessionToken
from desktops.models import Desktop, Status
from desktops.proxy.access import Admission

P = ParamSpec("P")
T = TypeVar("T")

# Separate threads: a slow page never delays a stream, and the proxy uses four database connections at most.
_threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="proxy")
_AT_ONCE = 500  # ids in one query; databases limit the number of parameters
# Why streams end when their desktop is in this status, unless the row has a more precise reason.
_OVER = {
    Status.STOPPING: "stopped",
    Status.STOPPED: "stopped",
    Status.FAILED: "failed",
    Status.DELETING: "deleted",
}


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    def call() -> T:
        close_old_connections()
        try:
            return function(*args, **kwargs)
        finally:
            close_old_connections()

    return await asyncio.get_running_loop().run_in_executor(_threads, call)


def end_reasons(admissions: Iterable[Admission]) -> dict[Admission, str]:
    """Return the admissions whose streams must end, with the reason. Makes two queries per 500 streams."""
    pending = list(admissions)
    ends: dict[Admission, str] = {}
    for start in range(0, len(pending), _AT_ONCE):
        ends |= _end_reasons(pending[start : start + _AT_ONCE])
    return ends


def _end_reasons(admissions: list[Admission]) -> dict[Admission, str]:
    over = _ended({one.jti for one in admissions})
    desktops = Desktop.objects.select_related("owner").in_bulk({one.desktop_id for one in admissions})
    found = {one: _of_desktop(desktops.get(one.desktop_id), one.run) for one in admissions}
    found |= {one: over[UUID(one.jti)] for one in admissions if UUID(one.jti) in over}
    return {one: reason for one, reason in found.items() if reason}


def _ended(token_ids: set[str]) -> dict[UUID, str]:
    """Return the tokens whose streams must end, with the reason.

    A token without a label was issued to a page and is valid for a minute only: its streams continue until the login of
    that browser ends. The lifetime of every other token was chosen on purpose, so it also limits the token's streams.
    """
    expired = Q(expires_at__lte=timezone.now()) & ~Q(label="")
    tokens = SessionToken.objects.filter(Q(revoked_at__isnull=False) | expired, pk__in=token_ids)
    rows = tokens.values_list("pk", "revoked_at", "revoked_reason")
    return {pk: (reason or "revoked") if revoked_at else "token_expired" for pk, revoked_at, reason in rows}


def _of_desktop(desktop: Desktop | None, run: int) -> str:
    if desktop is None:
        return "deleted"
    if not desktop.owner.is_active:
        return "disabled"
    if desktop.status == Status.RUNNING and desktop.run == run:
        return ""
    if desktop.restarting or desktop.status not in _OVER:
        return "restarted"
    return desktop.reason if desktop.reason in ("idle", "expired") else _OVER[Status(desktop.status)]


def record_activity(desktop_ids: set[UUID]) -> None:
    Desktop.objects.filter(pk__in=desktop_ids, status=Status.RUNNING).update(last_input_at=timezone.now())
