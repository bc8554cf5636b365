"""The controllers and workers that run, with their versions. During an update, two versions run side by side."""

import os
import socket
import time
from collections import Counter
from dataclasses import dataclass

from core.redis import client, key
from core.version import VERSION


@dataclass(frozen=True)
class RunningProcesses:
    kind: str  # controller or worker
    version: str
    count: int


def record(kind: str, *, lasts: int) -> None:
    """Record that this process runs for the next `lasts` seconds. Raises redis.RedisError."""
    now, known = time.time(), key("processes")
    with client().pipeline(transaction=False) as pipeline:
        pipeline.zadd(known, {_member(kind): now + lasts})
        pipeline.zremrangebyscore(known, 0, now)
        pipeline.execute()


def forget(kind: str) -> None:
    """Record that this process ends. Raises redis.RedisError."""
    client().zrem(key("processes"), _member(kind))


def running() -> list[RunningProcesses]:
    """Return how many processes run of each kind and version. Raises redis.RedisError."""
    members = client().zrangebyscore(key("processes"), time.time(), "+inf")
    counted = Counter(tuple(str(member).split()[:2]) for member in members)
    return [RunningProcesses(kind, version, count) for (kind, version), count in sorted(counted.items())]


def _member(kind: str) -> str:
    return f"{kind} {VERSION} {socket.gethostname()}:{os.getpid()}"
