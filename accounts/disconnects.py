"""Tell every proxy to cut live streams: after a commit, over Redis. A lost message is caught by the proxy's recheck."""

import json
from dataclasses import asdict, dataclass

import redis
import structlog
from django.db import transaction

from core.redis import client, key

log = structlog.get_logger("podesk.cuts")


@dataclass(frozen=True)
class Cut:
    """Ends the streams whose `scope` ("token", "session", "user", "desktop") is `id`. `reason` names a close code."""

    scope: str
    id: str
    reason: str
    spare: str = ""  # a session id that keeps its streams: a person who changes the password stays connected

    @classmethod
    def from_message(cls, message: str) -> "Cut":
        return cls(**json.loads(message))


def channel() -> str:
    return key("cuts")


def cut_after_commit(cut: Cut) -> None:
    transaction.on_commit(lambda: _publish(cut), robust=True)


def _publish(cut: Cut) -> None:
    try:
        client().publish(channel(), json.dumps(asdict(cut)))
    except redis.RedisError as error:
        log.warning("cut_not_announced", scope=cut.scope, reason=cut.reason, error=str(error))
