"""Keep track of the open streams of this process.

It ends streams when Redis reports a disconnect, checks them against the database regularly in case a report was lost,
ends streams that stall, and records activity.
"""

import asyncio
import contextlib
import contextvars
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from itertools import chain, repeat
from typing import Any
from uuid import UUID

import redis.asyncio
import structlog
from django.conf import settings
from django.db import Error as DatabaseFault
from redis import RedisError
from redis.asyncio.client import PubSub

from accounts import disconnects
from desktops.proxy import metrics, stream_checks
from desktops.proxy.stream import Stream

log = structlog.get_logger("podesk.proxy")

TICK = 1.0  # seconds between two checks for stalled writes and activity
ACTIVITY_EVERY = 60.0  # seconds between two records of one stream's activity
SUBSCRIBE_WAIT = 1.0  # seconds that a new stream waits for the subscription
_SILENCE = 15.0  # seconds without a message after which Redis is sent a ping

_streams: dict[Stream, None] = {}  # oldest first
_tasks: list[asyncio.Task[None]] = []  # exist while there are streams
_subscribe_done = asyncio.Event()  # set when the subscription is active or has failed


@contextlib.asynccontextmanager
async def registered(stream: Stream) -> AsyncIterator[None]:
    """Register the stream for this block, so that disconnects and database checks can end it."""
    _end_oldest(stream)
    _streams[stream] = None
    metrics.count_opened(stream)
    if not _tasks:
        # Own contexts: the tasks must not log the desktop and user of the first stream.
        _tasks.extend(
            asyncio.create_task(_keep_running(work), context=contextvars.Context())
            for work in (_listen, _tick, _recheck_regularly)
        )
    try:
        yield
    finally:
        del _streams[stream]
        metrics.count_closed(stream)
        if not _streams:
            for task in _tasks:
                task.cancel()
            _tasks.clear()
            _subscribe_done.clear()


async def confirm(stream: Stream) -> None:
    """Check the stream again once disconnects are received: it may have been revoked since the first check."""
    with contextlib.suppress(TimeoutError):  # without Redis, the regular checks find the revocation
        async with asyncio.timeout(SUBSCRIBE_WAIT):
            await _subscribe_done.wait()
    await _recheck([stream])


def _end_oldest(stream: Stream) -> None:
    """End the oldest streams of the same desktop above the limit, so that a hanging window cannot block a new one."""
    same = [one for one in _streams if _limit_key(one) == _limit_key(stream)]
    for oldest in same[: max(0, len(same) - settings.PROXY_STREAMS_PER_DESKTOP + 1)]:
        oldest.end("replaced")


def _limit_key(stream: Stream) -> tuple[UUID, str]:
    """Return what streams compete for. VNC and SSH have separate limits, so VNC windows cannot end an SSH stream."""
    return stream.admission.desktop_id, stream.admission.permission


async def _keep_running(work: Callable[[], Awaitable[None]]) -> None:
    """Run the work again after an unexpected error, so that one error does not stop it permanently."""
    while True:
        try:
            await work()
        except Exception:
            log.exception("stream_checks_failed", by=work.__name__)
        await asyncio.sleep(TICK)


# --- Disconnects that Redis reports
async def _listen() -> None:
    pauses = _pauses()
    while True:
        try:
            client = redis.asyncio.from_url(settings.REDIS_URL, decode_responses=True)
            async with client, client.pubsub() as subscription:
                await subscription.subscribe(*disconnects.channels())
                pauses = _pauses()
                await _receive(subscription)
        except (RedisError, OSError) as error:
            pause = next(pauses)
            log.warning("disconnects_not_received", error=str(error), retry_in_seconds=pause)
            _subscribe_done.set()
            await asyncio.sleep(pause)


def _pauses() -> Iterator[float]:
    """Yield the seconds to wait before each attempt to connect to Redis."""
    return chain((0.1, 0.2, 0.5, 1, 2), repeat(5))


async def _receive(subscription: PubSub) -> None:
    """Handle messages until the connection breaks. Raises ConnectionError if Redis does not answer a ping."""
    asked = False
    while True:
        message = await subscription.get_message(timeout=_SILENCE)
        if message is not None:
            asked = False
            await _handle_message(message)
        elif asked:
            raise ConnectionError("Redis did not answer the ping")
        else:
            asked = True
            await subscription.ping()


async def _handle_message(message: dict[str, Any]) -> None:
    if message["type"] == "subscribe":
        if message["data"] < len(disconnects.channels()):  # the number of channels so far
            return
        _subscribe_done.set()
        await _recheck(list(_streams))  # disconnects before the subscription were missed
    elif message["type"] == "message":
        try:
            disconnect = disconnects.Disconnect.from_message(message["data"])
        except (ValueError, TypeError):
            log.error("disconnect_invalid")
            return
        for stream in _streams:
            if _concerns(disconnect, stream):
                stream.end(disconnect.reason, disconnected_at=disconnect.at)


def _concerns(disconnect: disconnects.Disconnect, stream: Stream) -> bool:
    who = stream.admission
    named = {"token": who.jti, "session": who.session_id, "user": who.user_id, "desktop": str(who.desktop_id)}
    return named.get(disconnect.scope) == disconnect.id and not (
        disconnect.spare and disconnect.spare == who.session_id
    )


# --- Regular checks against the database
async def _recheck_regularly() -> None:
    while True:
        await asyncio.sleep(settings.PROXY_RECHECK_SECONDS)
        await _recheck(list(_streams))


async def _recheck(streams: list[Stream]) -> None:
    try:
        ends = await stream_checks.in_thread(stream_checks.end_reasons, [stream.admission for stream in streams])
    except DatabaseFault as error:  # no stream ends because of this; the next check follows
        log.warning("streams_not_checked", streams=len(streams), error=str(error))
        return
    for stream in streams:
        if reason := ends.get(stream.admission):
            stream.end(reason)


# --- Stalls and activity
async def _tick() -> None:
    while True:
        await asyncio.sleep(TICK)
        now = time.monotonic()
        _end_stalled(_streams, now)
        metrics.count_bytes(_streams)
        await _record_activity(
            [one for one in _streams if one.has_new_input() and now - one.recorded[2] >= ACTIVITY_EVERY], now
        )


def _end_stalled(streams: Iterable[Stream], now: float) -> None:
    """End streams whose write has waited too long. One check for all streams replaces a timer for each write."""
    limit = settings.PROXY_WRITE_TIMEOUT
    for stream in streams:
        if stream.browser_blocked is not None and now - stream.browser_blocked > limit:
            stream.end("too_slow")
        elif stream.desktop_blocked is not None and now - stream.desktop_blocked > limit:
            stream.end("desktop_stuck")


async def _record_activity(streams: list[Stream], now: float) -> None:
    if not streams:
        return
    for stream in streams:
        stream.recorded = (stream.input.count, stream.up, now)
    try:
        await stream_checks.in_thread(
            stream_checks.record_activity, {stream.admission.desktop_id for stream in streams}
        )
    except DatabaseFault as error:
        log.warning("activity_not_recorded", streams=len(streams), error=str(error))
