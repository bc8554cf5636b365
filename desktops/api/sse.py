"""Send a stream of server-sent events, keep it alive and end it. An EventProducer supplies the events."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from asgiref.sync import SyncToAsync, sync_to_async
from channels.db import DatabaseSyncToAsync
from django.db import Error, connections
from django.http import StreamingHttpResponse
from rest_framework.renderers import JSONRenderer
from rest_framework.utils.encoders import JSONEncoder

from core.concurrency import LEASE, ConcurrencySlot
from desktops.api import channel_listener, shutdown

log = structlog.get_logger("podesk.events")
MEDIA_TYPE = "text/event-stream"
CONTENT_TYPE = f"{MEDIA_TYPE}; charset=utf-8"
# Seconds between two checks of the token, between two queries without a message, and until a keepalive is sent.
TICK, LOOK, SILENCE = 0.8, 3.0, 5.0
COME_BACK = 2  # seconds after which a browser reopens a broken stream


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
        """Return the last message of a stream that ends because the server stops."""

    def tell(self, look: bool) -> tuple[list[Message], bool]:
        """Return the messages to send, and whether there are more. Called in a thread after each TICK.

        Without `look`, it only checks whether the stream may continue.
        """


class EventStreamRenderer(JSONRenderer):
    """Lets a request accept a stream. It renders refusals only, and those are JSON."""

    media_type, format, charset = MEDIA_TYPE, "event-stream", "utf-8"


def answer(teller: EventProducer, slot: ConcurrencySlot) -> StreamingHttpResponse:
    """Return the response that streams the events. `slot`: already acquired; the stream releases it."""
    response = StreamingHttpResponse(_stream(teller, slot), content_type=CONTENT_TYPE)
    response["X-Accel-Buffering"] = "no"  # otherwise nginx buffers several kilobytes of events
    return response


async def _stream(teller: EventProducer, slot: ConcurrencySlot) -> AsyncIterator[bytes]:
    woken = asyncio.Event()
    beside = [asyncio.create_task(work) for work in (channel_listener.listen(teller.group, woken), _keep(slot))]
    try:
        await _let_go()
        yield f"retry: {COME_BACK * 1000}\n\n".encode()
        async for frame in _frames(teller, woken):
            yield frame
    except Error as error:  # the client reopens the stream and continues where it ended
        log.warning("stream_broken", error=str(error))
    finally:
        for task in beside:
            task.cancel()
        asyncio.get_running_loop().run_in_executor(None, slot.release)  # not awaited: this task may have been cancelled


async def _keep(slot: ConcurrencySlot) -> None:
    while True:
        await asyncio.sleep(LEASE / 3)
        await asyncio.to_thread(slot.renew)


async def _frames(teller: EventProducer, woken: asyncio.Event) -> AsyncIterator[bytes]:
    tell = DatabaseSyncToAsync(teller.tell, thread_sensitive=False)
    looked, heard = 0.0, time.monotonic()
    while True:
        if shutdown.has_begun():
            yield teller.restarting().frame()
            return
        now = time.monotonic()
        if look := woken.is_set() or now - looked >= LOOK:
            woken.clear()
            looked = now
        messages, more = await tell(look)
        for message in messages:
            yield message.frame()
            if message.last:
                return
        if messages:
            heard = now
        elif now - heard >= SILENCE:
            yield b": still here\n\n"
            heard = now
        if more:
            woken.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(woken.wait(), TICK)


async def _let_go() -> None:
    """Release the request's thread and its database connection.

    Django would keep both until the response has been sent, which takes hours here. A later use gets a new thread.
    """
    await sync_to_async(connections.close_all)()
    context = SyncToAsync.thread_sensitive_context.get(None)
    executor = SyncToAsync.context_to_thread_executor.pop(context, None) if context else None
    if executor:
        executor.shutdown(wait=False)
