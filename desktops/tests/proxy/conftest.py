"""Fixtures with alice's running desktop, a real server behind it, real proxies, and the browser's side of RFB."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from accounts import tokens
from accounts.models import User
from core import encryption
from desktops.models import Desktop, Status
from desktops.proxy import rfb
from desktops.tests.support.portal_server import DAPHNE, Server, running
from desktops.tests.support.rfb_server import SERVER_INIT, Behaviour, VNCServer
from desktops.wording import close_codes

PASSWORD = Behaviour().password
REQUEST = b"\3\1" + bytes(4) + b"\0\x40\0\x30"  # FramebufferUpdateRequest


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("proxy")


@pytest.fixture(scope="session")
def uvicorn(folder, django_db_setup) -> Iterator[Server]:
    with running(folder) as server:
        yield server


@pytest.fixture(scope="session")
def daphne(folder, django_db_setup) -> Iterator[Server]:
    with running(folder, DAPHNE) as server:
        yield server


@pytest.fixture(scope="session")
def short_timeout_server(folder, django_db_setup) -> Iterator[Server]:
    """Return a server with timeouts of a second."""
    with running(folder, PROXY_WRITE_TIMEOUT="1", PROXY_HANDSHAKE_TIMEOUT="1") as server:
        yield server


@pytest.fixture
def committed(transactional_db) -> None:
    """Commit what tests write, so that the servers' processes see it."""


@pytest.fixture
def make_vnc_server(folder) -> Iterator[Callable[..., VNCServer]]:
    servers: list[VNCServer] = []

    def make(**behaviour: Any) -> VNCServer:
        servers.append(VNCServer(folder, Behaviour(**behaviour)))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


@pytest.fixture
def vnc_server(make_vnc_server) -> VNCServer:
    return make_vnc_server()


@pytest.fixture
def running_desktop(committed, make_desktop) -> Callable[..., Desktop]:
    def make(owner: User, path: str, **fields: Any) -> Desktop:
        endpoint = {"endpoint_kind": "unix", "endpoint_address": path, "status": Status.RUNNING}
        return make_desktop(owner, **{**endpoint, "vnc_password_sealed": encryption.encrypt(PASSWORD), **fields})

    return make


@pytest.fixture
def desktop(running_desktop, alice, vnc_server) -> Desktop:
    return running_desktop(alice, vnc_server.path)


def token_for(desktop: Desktop, *, user: User | None = None, session: str = "sess_1", **scope: Any) -> str:
    lifetime = scope.pop("lifetime", timedelta(minutes=1))
    wanted = tokens.TokenScope(session_id=session, pod_name=desktop.object_name, **scope)
    return tokens.issue(user or desktop.owner, scope=wanted, lifetime=lifetime)


def routes(desktop: Desktop) -> tuple[str, str]:
    return f"/ws/desktops/{desktop.pk}/vnc", f"/user/{desktop.owner_id}/vnc"


def dial(server: Server, path: str, token: str = "", **options: Any) -> AbstractContextManager[ClientConnection]:
    """Connect as the viewer does, with the token among the subprotocols."""
    offered = ["binary", f"podesk.token.{token}"] if token else ["binary"]
    return connect(
        server.url(path),
        **{"subprotocols": offered, "compression": None, "max_size": None, "close_timeout": 1, **options},
    )


def exactly(browser: ClientConnection, count: int) -> bytes:
    """Return the next `count` bytes, however they are split into messages."""
    data = b""
    while len(data) < count:
        data += browser.recv(timeout=10)
    assert len(data) == count, data
    return data


def greet(browser: ClientConnection) -> ClientConnection:
    """Do the handshake up to ServerInit."""
    assert exactly(browser, 12) == rfb.VERSION
    browser.send(rfb.VERSION)
    assert exactly(browser, 2) == b"\1\1"
    browser.send(b"\1")
    assert exactly(browser, 4) == rfb.OK
    browser.send(b"\0")  # exclusive, which the proxy does not forward
    assert exactly(browser, len(SERVER_INIT)) == SERVER_INIT
    return browser


@contextmanager
def view(server: Server, desktop: Desktop, **scope: Any) -> Iterator[ClientConnection]:
    with dial(server, routes(desktop)[0], token_for(desktop, **scope)) as browser:
        yield greet(browser)


def ended(browser: ClientConnection, *, within: float) -> str:
    """Return the reason of the close code."""
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            browser.recv(timeout=within)
    frame = closed.value.rcvd
    assert frame is not None, "closed without a word"
    (reason,) = [close.reason for close in close_codes.CLOSE_CODES if close.code == frame.code]
    assert frame.reason in (reason, "")  # daphne does not forward a reason
    return reason


def lives(browser: ClientConnection) -> bool:
    return browser.ping().wait(timeout=2)
