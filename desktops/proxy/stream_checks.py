"""What the proxy asks of the database, off the event loop and in few threads, so in few connections."""

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

# Its own threads: a slow page never delays a stream, and the database sees four connections at most.
_threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="proxy")
_AT_ONCE = 500  # ids in one query; databases limit the number of parameters
# What a desktop that runs no more says about its streams. A reason of the row that has its own sentence comes first.
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
    """Those that must not go on, with the reason. Two queries per 500 streams."""
    pending = list(admissions)
    ends: dict[Admission, str] = {}
    for start in range(0, len(pending), _AT_ONCE):
        ends |= _end_reasons(pending[start : start + _AT_ONCE])
    return ends


def _end_reasons(admissions: list[Admission]) -> dict[Admission, str]:
    over = _over({one.jti for one in admissions})
    desktops = Desktop.objects.select_related("owner").in_bulk({one.desktop_id for one in admissions})
    found = {one: _of_desktop(desktops.get(one.desktop_id), one.run) for one in admissions}
    found |= {one: over[UUID(one.jti)] for one in admissions if UUID(one.jti) in over}
    return {one: reason for one, reason in found.items() if reason}


def _over(token_ids: set[str]) -> dict[UUID, str]:
    """Tokens that carry a stream no longer. One without a label is a page's, and lives a minute: what it opened goes on
    until that browser's login ends. The life of any other was chosen by somebody, and bounds what it opened."""
    expired = Q(expires_at__lte=timezone.now()) & ~Q(label="")
    tokens = SessionToken.objects.filter(Q(revoked_at__isnull=False) | expired, pk__in=token_ids)
    told = tokens.values_list("pk", "revoked_at", "revoked_reason")
    return {pk: (reason or "revoked") if revoked_at else "token_expired" for pk, revoked_at, reason in told}


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


def note_activity(desktop_ids: set[UUID]) -> None:
    Desktop.objects.filter(pk__in=desktop_ids, status=Status.RUNNING).update(last_input_at=timezone.now())
