"""Send, keep alive and end a stream of server-sent events. An EventProducer supplies the events."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from channels.db import DatabaseSyncToAsync
from django.db import Error
from django.http import StreamingHttpResponse
from rest_framework.renderers import JSONRenderer
from rest_framework.utils.encoders import JSONEncoder

from core import streaming
from core.concurrency import LEASE, ConcurrencySlot
from desktops.api import channel_listener, shutdown

log = structlog.get_logger("podesk.events")
MEDIA_TYPE = "text/event-stream"
CONTENT_TYPE = f"{MEDIA_TYPE}; charset=utf-8"
# Seconds between two checks of the token, between two queries without a message, and until a keepalive is sent.
TICK, QUERY_INTERVAL, KEEPALIVE = 0.8, 3.0, 5.0
RETRY = 2  # seconds after which a browser reopens a broken stream


@dataclass(frozen=True)
class Message:
    event: str
    data: dict[str, Any]
    id: str = ""
    last: bool = False  # the stream ends after this message

    def frame(self) -> bytes:
        number = f"id: {self.id}\n" if self.id else ""
        return f"event: {self.event}\n{number}data: {json.dumps(self.data, cls=JSONEncoder)}\n\n".encode()


class EventProducer(Protocol):
    @property
    def group(self) -> str:
        """Return the group of the channel layer whose messages report new events."""

    def restarting(self) -> Message:
        """Return the last message of a stream that ends because the server is stopping."""

    def poll(self, query: bool) -> tuple[list[Message], bool]:
        """Return the messages to send, and whether there are more. Called in a thread after each TICK.

        `query`: whether to query for messages, and not only check whether the stream may continue.
        """


class EventStreamRenderer(JSONRenderer):
    """Lets requests accept a stream. The renderer itself is used only for refusals, which it renders as JSON."""

    media_type, format, charset = MEDIA_TYPE, "event-stream", "utf-8"


def answer(producer: EventProducer, slot: ConcurrencySlot) -> StreamingHttpResponse:
    """Return the response that streams the events. The stream releases `slot`, which the caller has acquired."""
    response = StreamingHttpResponse(_stream(producer, slot), content_type=CONTENT_TYPE)
    response["X-Accel-Buffering"] = "no"  # otherwise nginx buffers several kilobytes of events
    return response


async def _stream(producer: EventProducer, slot: ConcurrencySlot) -> AsyncIterator[bytes]:
    woken = asyncio.Event()
    tasks = [asyncio.create_task(work) for work in (channel_listener.listen(producer.group, woken), _renew(slot))]
    try:
        await streaming.release_thread()
        yield f"retry: {RETRY * 1000}\n\n".encode()
        async for frame in _frames(producer, woken):
            yield frame
    except Error as error:  # the client reopens the stream and continues where it ended
        log.warning("stream_broken", error=str(error))
    finally:
        for task in tasks:
            task.cancel()
        asyncio.get_running_loop().run_in_executor(None, slot.release)  # not awaited: this task may have been cancelled


async def _renew(slot: ConcurrencySlot) -> None:
    while True:
        await asyncio.sleep(LEASE / 3)
        await asyncio.to_thread(slot.renew)


async def _frames(producer: EventProducer, woken: asyncio.Event) -> AsyncIterator[bytes]:
    poll = DatabaseSyncToAsync(producer.poll, thread_sensitive=False)
    queried, sent = 0.0, time.monotonic()
    while True:
        if shutdown.has_begun():
            yield producer.restarting().frame()
            return
        now = time.monotonic()
        if query := woken.is_set() or now - queried >= QUERY_INTERVAL:
            woken.clear()
            queried = now
        messages, more = await poll(query)
        for message in messages:
            yield message.frame()
            if message.last:
                return
        if messages:
            sent = now
        elif now - sent >= KEEPALIVE:
            yield b": keepalive\n\n"
            sent = now
        if more:
            woken.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(woken.wait(), TICK)
