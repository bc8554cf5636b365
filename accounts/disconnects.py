"""Publish over Redis that live streams must end. A proxy's periodic check catches a lost message."""

import json
import time
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
    at: float = 0.0  # time.time() of its publication; 0 if the publisher does not send it

    @classmethod
    def from_message(cls, message: str) -> "Disconnect":
        return cls(**json.loads(message))


def channel() -> str:
    """Return the channel of version 1.0, whose messages have no time. Replicas share it during an update."""
    return key("cuts")


def channels() -> tuple[str, str]:
    """Return all channels. The second one has the same messages again, with their time, and is published first."""
    return channel(), key("disconnects")


def disconnect_after_commit(cut: Disconnect) -> None:
    transaction.on_commit(lambda: _publish(cut), robust=True)


def _publish(cut: Disconnect) -> None:
    message = asdict(cut)
    del message["at"]  # version 1.0 accepts no further fields
    plain, timed = channels()
    try:
        with client().pipeline(transaction=False) as pipeline:
            pipeline.publish(timed, json.dumps(message | {"at": time.time()}))
            pipeline.publish(plain, json.dumps(message))
            pipeline.execute()
    except redis.RedisError as error:
        log.warning("disconnect_not_published", scope=cut.scope, reason=cut.reason, error=str(error))
