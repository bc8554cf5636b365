"""Cache snapshots of desktops at rest in Redis, so that scripts that poll cause no database queries.

There are two keys per desktop: a version, which every committed change replaces, and a snapshot, which names the
version that it was made under. A snapshot is valid while its version is the current one. The version is read before the
row, so a late snapshot carries an old version and is never used. Versions are random, because a counter in a Redis that
was emptied would repeat itself.

A desktop that is starting or stopping changes all the time, so it is always read from the database.
"""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import redis
import structlog
from django.db import transaction

from core.redis import client, delete_despite_full_memory, key
from desktops import desktop_snapshot
from desktops.desktop_snapshot import DesktopSnapshot

log = structlog.get_logger("podesk.status_cache")
Load = Callable[[], DesktopSnapshot | None]  # reads the row
CACHED = ("running", "stopped", "failed")
SNAPSHOT_SECONDS = 60  # a change whose message to Redis was lost is visible after this time at the latest
_VERSION_SECONDS = 3600  # longer than any snapshot


def read_through(name: str, load: Load) -> DesktopSnapshot | None:
    """Return the snapshot from Redis in one round trip, or from the database if Redis has none or is unavailable.

    Returns None if there is no such row.
    """
    if transaction.get_connection().in_atomic_block:  # sees uncommitted changes, which must not be cached
        return load()
    try:
        version, kept = map(_text, client().mget(_version_key(name), _snapshot_key(name)))
    except redis.RedisError:
        return load()
    if version and kept and (known := _read(kept, version)):
        return known
    found = load()
    if found and found.status in CACHED:
        _keep(name, version, found)
    return found


def renew_after_commit(name: str, load: Load) -> None:
    """After commit, invalidate the snapshot of a changed row. A desktop at rest is cached again at once."""
    # Robust, like everything done after a commit: one failure must not prevent the next step.
    transaction.on_commit(lambda: _renew(name, load), robust=True)


def _renew(name: str, load: Load) -> None:
    version = uuid4().hex
    try:
        client().set(_version_key(name), version, ex=_VERSION_SECONDS)
    except redis.RedisError as error:
        log.warning("status_not_renewed", desktop_name=name, error=str(error))
        delete_despite_full_memory(_version_key(name))  # else readers would see the row as it was before
        return
    found = load()  # after the version; see the module's docstring
    if found and found.status in CACHED:
        _keep(name, version, found)


def _keep(name: str, version: str, found: DesktopSnapshot) -> None:
    try:
        if version:
            text = json.dumps({"version": version, "facts": desktop_snapshot.to_dict(found)})
            client().set(_snapshot_key(name), text, ex=SNAPSHOT_SECONDS)
        else:  # a row read before there was a version may be old; the next reader caches its own
            client().set(_version_key(name), uuid4().hex, ex=_VERSION_SECONDS, nx=True)
    except redis.RedisError as error:
        log.warning("status_not_kept", desktop_name=name, error=str(error))


def _read(kept: str, version: str) -> DesktopSnapshot | None:
    snapshot = json.loads(kept)
    return desktop_snapshot.from_dict(snapshot["facts"]) if snapshot["version"] == version else None


def _text(answer: Any) -> str:
    return answer or ""


def _version_key(name: str) -> str:
    return key("pod-version", name)


def _snapshot_key(name: str) -> str:
    return key("pod", name)
