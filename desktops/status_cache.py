"""Facts of settled desktops in Redis, so that a script that asks again and again costs the database nothing.

Two keys per desktop: a mark, which every committed change replaces, and a snapshot, which names the mark that it was
made under. A snapshot counts while its mark stands. Whoever makes one took the mark before he read the row: a late
one carries a mark that is gone, and nobody believes it. Marks are random: a Redis that was emptied repeats none.

What is on its way changes every moment, and its words with the clock: it is always read from the database."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import redis
import structlog
from django.db import transaction

from core.redis import client, key
from desktops import desktop_snapshot
from desktops.desktop_snapshot import Facts

log = structlog.get_logger("podesk.status_cache")
Load = Callable[[], Facts | None]  # reads the row
SETTLED = ("running", "stopped", "failed")
REMEMBERED = 60  # seconds; a change whose message to Redis was lost shows after them at the latest
_MARKED = 3600  # seconds; longer than any snapshot


def look(name: str, load: Load) -> Facts | None:
    """One round trip to Redis when it knows; the database when it does not, or is away. None: there is no such row."""
    if transaction.get_connection().in_atomic_block:  # its own changes count for it, and perhaps never for others
        return load()
    try:
        mark, kept = map(_text, client().mget(_mark(name), _snapshot(name)))
    except redis.RedisError:
        return load()
    if mark and kept and (known := _read(kept, mark)):
        return known
    found = load()
    if found and found.status in SETTLED:
        _keep(name, mark, found)
    return found


def renew_after_commit(name: str, load: Load) -> None:
    """The row was changed: what is remembered of it no longer counts. A settled one is remembered anew."""
    # Robust, like all that is done after a commit: it is committed, and no failure keeps the next from being done.
    transaction.on_commit(lambda: _renew(name, load), robust=True)


def _renew(name: str, load: Load) -> None:
    mark = uuid4().hex
    try:
        client().set(_mark(name), mark, ex=_MARKED)
    except redis.RedisError as error:
        log.warning("status_not_renewed", desktop_name=name, error=str(error))
        return
    found = load()  # after the mark: see above
    if found and found.status in SETTLED:
        _keep(name, mark, found)


def _keep(name: str, mark: str, found: Facts) -> None:
    try:
        if mark:
            text = json.dumps({"mark": mark, "facts": desktop_snapshot.to_dict(found)})
            client().set(_snapshot(name), text, ex=REMEMBERED)
        else:  # what was read before there was a mark may be old; the next reader keeps his
            client().set(_mark(name), uuid4().hex, ex=_MARKED, nx=True)
    except redis.RedisError as error:
        log.warning("status_not_kept", desktop_name=name, error=str(error))


def _read(kept: str, mark: str) -> Facts | None:
    snapshot = json.loads(kept)
    return desktop_snapshot.from_dict(snapshot["facts"]) if snapshot["mark"] == mark else None


def _text(answer: Any) -> str:
    return answer or ""


def _mark(name: str) -> str:
    return key("pod-mark", name)


def _snapshot(name: str) -> str:
    return key("pod", name)
