"""The quota of the desktops' namespace. The leading controller reads it, and the other processes get it from Redis."""

import json
from dataclasses import astuple

import structlog

from core.redis import client, key
from desktops.runtimes import get_runtime
from desktops.runtimes.base import ResourceQuotaUse, RuntimeFault, RuntimeUnknown

log = structlog.get_logger("podesk.namespace_quota")
EVERY = 60  # seconds between two calls to the cluster
_KEPT = 3 * EVERY


def refresh() -> None:
    """Read the quota if that is due, once for all controllers. Raises redis.RedisError."""
    if not client().set(key("namespace-quota-read"), "1", nx=True, ex=EVERY):
        return
    try:
        uses = get_runtime().quota_use()
    except (RuntimeFault, RuntimeUnknown) as error:  # as with roles of an earlier version, without this right
        log.info("namespace_quota_not_read", error=str(error))
        return
    client().set(key("namespace-quota"), json.dumps([astuple(use) for use in uses]), ex=_KEPT)


def last() -> tuple[ResourceQuotaUse, ...]:
    """Return what was read last, or nothing if that is too old. Raises redis.RedisError."""
    found = client().get(key("namespace-quota"))
    return tuple(ResourceQuotaUse(*each) for each in json.loads(str(found))) if found else ()
