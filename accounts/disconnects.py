"""Publish over Redis that live streams must end. A proxy's periodic check catches a lost message."""

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
    spare: str = ""  # the session id whose streams stay open, such as that of the person who changes their password

    @classmethod
    def from_message(cls, message: str) -> "Disconnect":
        return cls(**json.loads(message))


def channel() -> str:
    return key("cuts")  # keeps its old name, since replicas of two versions share it during an update


def disconnect_after_commit(cut: Disconnect) -> None:
    transaction.on_commit(lambda: _publish(cut), robust=True)


def _publish(cut: Disconnect) -> None:
    try:
        client().publish(channel(), json.dumps(asdict(cut)))
    except redis.RedisError as error:
        log.warning("disconnect_not_published", scope=cut.scope, reason=cut.reason, error=str(error))
