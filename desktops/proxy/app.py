"""The ASGI application of the proxy.

It checks the request, accepts it, does the handshake with browser and desktop, relays, and closes with a reason.
"""

import asyncio
import contextlib

import structlog
from django.conf import settings
from django.db import Error as DatabaseFault

from desktops.lifecycle import reachability
from desktops.proxy import access, metrics, registry, relay, rfb, stream_checks
from desktops.proxy.asgi import Receive, Scope, Send
from desktops.proxy.browser_connection import BrowserConnection, BrowserLeft
from desktops.proxy.desktop_connection import DesktopConnection
from desktops.proxy.stream import Stream
from desktops.wording import close_codes

log = structlog.get_logger("podesk.proxy")

CLOSE_WAIT = 1.0  # seconds to wait for a browser that does not read to receive the close message


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()  # websocket.connect
    try:
        admission = await _admit(scope)
    except access.StreamRefused as refused:
        wanted = {name: str(value) for name, value in scope["url_route"]["kwargs"].items()}
        say = log.warning if refused.slug in access.SUSPICIOUS else log.info
        say("stream_refused", reason=refused.slug, detail=refused.detail, **wanted)
        await _refuse(scope, send, refused)
        return
    with structlog.contextvars.bound_contextvars(desktop=str(admission.desktop_id), user=admission.user_id):
        await _serve(Stream(admission), scope, BrowserConnection(scope, receive, send), send)


async def refuse_unknown_path(scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse a WebSocket at an unknown path. Channels would raise, and log a traceback for every port scanner."""
    await receive()  # websocket.connect
    await _refuse(scope, send, access.StreamRefused("no_such_path"))


async def _admit(scope: Scope) -> access.Admission:
    try:
        async with asyncio.timeout(settings.PROXY_HANDSHAKE_TIMEOUT):
            return await stream_checks.in_thread(access.admit, scope)
    except (DatabaseFault, TimeoutError) as error:
        raise access.StreamRefused("busy", str(error) or "took too long")


async def _refuse(scope: Scope, send: Send, refused: access.StreamRefused) -> None:
    metrics.count_refusal(refused.slug)
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close"})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"x-reason", refused.slug.encode())]
    await send({"type": "websocket.http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": f"{refused.slug}: {refused.sentence}\n".encode()})


async def _serve(stream: Stream, scope: Scope, browser: BrowserConnection, send: Send) -> None:
    await send({"type": "websocket.accept", "subprotocol": browser.subprotocol})
    log.info("stream_opened")
    async with registry.registered(stream):
        work = asyncio.create_task(_work(stream, browser))
        try:
            reason = await stream.ended()
        finally:  # also when the server cancels this task
            work.cancel()
            await asyncio.wait([work])
    log.info("stream_closed", reason=reason, seconds=round(stream.seconds, 1), down=stream.down, up=stream.up)
    if not stream.browser_left:
        await _close(send, close_codes.close_code_for(reason))
    metrics.count_end(stream, reason)


async def _work(stream: Stream, browser: BrowserConnection) -> None:
    """Connect and relay until the stream ends. Every error becomes the reason for which the stream ends."""
    try:
        await _connect(stream, browser)
    except* BrowserLeft as left:
        stream.browser_left = True
        stream.end("restarting" if "1012" in _texts(left) else "left")
    except* rfb.BadClient as bad:
        log.warning("bad_client", detail=_texts(bad))
        stream.end("bad_client")
    except* (rfb.Unreachable, OSError) as away:  # TimeoutError is an OSError
        log.warning("desktop_unreachable", detail=_texts(away))
        # Before the end, which cancels this task.
        await stream_checks.in_thread(reachability.report, stream.admission.desktop_id)
        stream.end("desktop_unreachable")
    except* Exception:
        log.exception("stream_fault")
        stream.end("fault")


def _texts(group: BaseExceptionGroup[Exception]) -> list[str]:
    return [str(error) or type(error).__name__ for error in group.exceptions]


async def _connect(stream: Stream, browser: BrowserConnection) -> None:
    desktop = await DesktopConnection.connect(*stream.admission.endpoint)
    try:
        if stream.admission.permission == "ssh":
            await registry.confirm(stream)  # the SSH client and sshd do their own handshake
        else:
            await _handshake(stream, desktop, browser)
        await relay.run(stream, desktop, browser)
    finally:
        desktop.abort()


async def _handshake(stream: Stream, desktop: DesktopConnection, browser: BrowserConnection) -> None:
    """Do both handshakes at the same time, so that the browser shows the first picture sooner."""
    async with asyncio.TaskGroup() as handshakes:
        handshakes.create_task(_log_in(desktop, stream.admission.password))
        handshakes.create_task(_accept_browser(browser))
        handshakes.create_task(registry.confirm(stream))
    await desktop.write(rfb.SHARED)


async def _log_in(desktop: DesktopConnection, password: str) -> None:
    async with asyncio.timeout(settings.PROXY_HANDSHAKE_TIMEOUT):
        await rfb.log_in(desktop, password)


async def _accept_browser(browser: BrowserConnection) -> None:
    try:
        async with asyncio.timeout(settings.PROXY_HANDSHAKE_TIMEOUT):
            await rfb.accept_browser(browser)
    except TimeoutError:
        raise rfb.BadClient("did not complete the handshake in time")


async def _close(send: Send, close: close_codes.CloseCode) -> None:
    with contextlib.suppress(OSError, RuntimeError):  # timeout, or the browser has closed already
        async with asyncio.timeout(CLOSE_WAIT):
            await send({"type": "websocket.close", "code": close.code, "reason": close.reason})
