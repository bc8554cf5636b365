"""Download one file of a backup.

A download takes data out of a desktop, so it is treated like a screen: admitted, audited, limited in number, and ended
within a second of the end of the login, token or account. Nothing holds the whole file in memory.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

import redis.asyncio
import structlog
from channels.db import DatabaseSyncToAsync
from django.conf import settings
from django.db import Error
from redis import RedisError

from accounts import audit, disconnects
from accounts.audit import Actor, audited
from accounts.disconnects import Disconnect
from core import streaming
from core.concurrency import LEASE, ConcurrencySlot, TooManyOpen
from desktops.exceptions import NoSuchFile, TooManyDownloads
from desktops.lifecycle.backups.access import access_to, read_failure
from desktops.models.backup import Backup
from desktops.runtimes.backups import contents, paths
from desktops.runtimes.base import RuntimeFault, RuntimeUnknown

log = structlog.get_logger("podesk.downloads")
KIND = "downloads"  # of settings.API_OPEN
TICK = 1.0  # seconds between two looks at a client that does not read
RETRY = 2.0  # seconds until the next attempt to listen for disconnects


@dataclass(frozen=True)
class OpenedFile:
    """A file of a backup whose first bytes have been read. `chunks` must be closed."""

    size: int
    chunks: Iterator[bytes]
    slot: ConcurrencySlot  # of the person; the stream releases it


@dataclass(frozen=True)
class Reader:
    """Who downloads. `holds` asks the database whether their login or token is still valid."""

    user_id: str
    session_id: str
    holds: Callable[[], bool] = field(repr=False)
    jti: str = ""  # id of their token; a page has none

    def is_ended_by(self, disconnect: Disconnect) -> bool:
        named = {"token": self.jti, "session": self.session_id, "user": self.user_id}
        return named.get(disconnect.scope) == disconnect.id and disconnect.spare != self.session_id


@audited("backup.download", target=lambda given: given["backup"].pk, more=lambda given: {"path": given["path"]})
def open_file(*, backup: Backup, path: str, by: Actor) -> OpenedFile:
    """Open a file for download. Raises TooManyDownloads, NoSuchFile, BackupNotFound, BackupsUnreachable."""
    slot = ConcurrencySlot(KIND, str(by.user.pk))
    try:
        slot.acquire()
    except TooManyOpen as refused:
        raise TooManyDownloads(detail=refused.detail) from refused
    try:
        size, chunks = _read(backup, path)
        audit.record("backup.download", by=by, target=backup.pk, path=path, size=size)
    except BaseException:
        slot.release()
        raise
    return OpenedFile(size, chunks, slot)


def _read(backup: Backup, path: str) -> tuple[int, Iterator[bytes]]:
    """Return a file's size and its bytes, after reading the first ones, so that a failure is a refusal."""
    access = access_to(backup.repository)
    try:
        path = paths.encode(paths.decode(path))  # as entries are named: clients may encode fewer letters
        entry = contents.entry(access, backup.snapshot, path)
        if entry is None or entry.kind != "file":
            raise NoSuchFile
        chunks = contents.stream(access, backup.snapshot, path)
        return entry.size, _joined(next(chunks, b""), chunks)
    except ValueError:
        raise NoSuchFile
    except (RuntimeFault, RuntimeUnknown) as error:
        raise read_failure(backup, error) from error


def _joined(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    """Yield all chunks. Closing this generator closes the other one, which ends its process."""
    try:
        if first:
            yield first
        yield from rest
    finally:
        rest.close()  # type: ignore[attr-defined]  # it is a generator


async def stream(opened: OpenedFile, reader: Reader) -> AsyncIterator[bytes]:
    """Yield the file's bytes.

    If it must end early, it cancels the response: the connection closes before all announced bytes were sent, so that
    no client takes a part of the file for all of it.
    """
    watch = _Watch(opened, reader)
    loop = asyncio.get_running_loop()
    try:
        await streaming.release_thread()
        while chunk := await loop.run_in_executor(watch.thread, next, opened.chunks, b""):
            watch.waiting_since = time.monotonic()
            yield chunk
            watch.waiting_since = None
    except (RuntimeFault, RuntimeUnknown) as error:
        await watch.end("backups_unreachable", error=str(error))
    finally:
        watch.finish()


class _Watch:
    """Ends one download when its login ends or its client does not read, and cleans up after it."""

    def __init__(self, opened: OpenedFile, reader: Reader) -> None:
        response = asyncio.current_task()
        assert response  # noqa: S101 - a generator runs in a task  # nosec B101
        self._response, self._opened, self._reader = response, opened, reader
        self.waiting_since: float | None = None  # time.monotonic() since which the client has not read
        self.thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="download")  # runs one call after the other
        work = (self.disconnects(), self.login(), self.stalls())
        self._tasks = [asyncio.create_task(each) for each in work]
        # The server drops the generator of a client that has left without closing it.
        response.add_done_callback(lambda _: self.finish())

    def finish(self) -> None:
        if not self._tasks:
            return
        for task in self._tasks:
            task.cancel()
        self._tasks = []
        self.thread.submit(self._opened.chunks.close)  # type: ignore[attr-defined]  # it is a generator
        self.thread.submit(self._opened.slot.release)
        self.thread.shutdown(wait=False)

    async def end(self, reason: str, **details: str) -> None:
        log.warning("download_ended", reason=reason, user=self._reader.user_id, **details)
        self._response.cancel()
        await asyncio.sleep(0)  # the cancellation arrives here if this is the response's own task

    async def disconnects(self) -> None:
        """End the download as soon as Redis reports the end of the login. Without Redis, `login` finds it."""
        while True:
            with suppress(RedisError, OSError):
                client = redis.asyncio.from_url(settings.REDIS_URL, decode_responses=True)
                async with client, client.pubsub(ignore_subscribe_messages=True) as subscription:
                    await subscription.subscribe(disconnects.channel())
                    await self._check()  # disconnects before the subscription were missed
                    async for message in subscription.listen():
                        await self._receive(message["data"])
            await asyncio.sleep(RETRY)

    async def _receive(self, text: str) -> None:
        with suppress(ValueError, TypeError):
            if self._reader.is_ended_by(disconnect := Disconnect.from_message(text)):
                await self.end(disconnect.reason)

    async def login(self) -> None:
        """Check the login in the database from time to time, and renew the slot."""
        while True:
            await asyncio.sleep(min(settings.PROXY_RECHECK_SECONDS, LEASE / 3))
            await asyncio.to_thread(self._opened.slot.renew)
            await self._check()

    async def _check(self) -> None:
        with suppress(Error):  # the database is unavailable; the next check follows
            if not await DatabaseSyncToAsync(self._reader.holds, thread_sensitive=False)():
                await self.end("logged_out")

    async def stalls(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            since = self.waiting_since
            if since is not None and time.monotonic() - since > settings.PROXY_WRITE_TIMEOUT:
                await self.end("too_slow")
