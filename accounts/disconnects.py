"""Tell every proxy to cut live streams: after a commit, over Redis. A lost message is caught by the proxy's recheck."""

import json
from dataclasses import asdict, dataclass

import redis
import structlog
from django.db import transaction

from core.redis import client, key

log = structlog.get_logger("podesk.disconnects")


@dataclass(frozen=True)
class Disconnect:
    """Ends the streams whose `scope` ("token", "session", "user", "desktop") is `id`. `reason` names a close code."""

    scope: str
    id: str
    reason: str
    spare: str = ""  # a session id that keeps its streams: a person who changes the password stays connected

    @classmethod
    def from_message(cls, message: str) -> "Disconnect":
        return cls(**json.loads(message))


def channel() -> str:
    return key("cuts")  # its old name: replicas of two versions share it during an update


def disconnect_after_commit(cut: Disconnect) -> None:
    transaction.on_commit(lambda: _publish(cut), robust=True)


def _publish(cut: Disconnect) -> None:
    try:
        client().publish(channel(), json.dumps(asdict(cut)))
    except redis.RedisError as error:
        log.warning("disconnect_not_published", scope=cut.scope, reason=cut.reason, error=str(error))
