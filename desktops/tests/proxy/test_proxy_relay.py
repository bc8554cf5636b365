"""What both servers relay, and what the proxy never stores."""

import os
import socket
import threading
import time
from contextlib import ExitStack

import pytest
from websockets.exceptions import ConnectionClosed

from desktops.lifecycle import reachability
from desktops.models import Desktop
from desktops.proxy import rfb
from desktops.tests.proxy.conftest import REQUEST, dial, ended, exactly, greet, lives, routes, token_for, view
from desktops.tests.support.portal_server import running
from desktops.tests.support.rfb_server import SERVER_INIT

pytestmark = pytest.mark.once

MIB = 2**20


@pytest.fixture(params=["uvicorn", "daphne"])
def server(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def desktop_that(running_desktop, make_vnc_server, alice):
    """Return a function that makes a desktop whose VNC server has a given behaviour."""

    def make(**behaviour) -> Desktop:
        return running_desktop(alice, make_vnc_server(**behaviour).path)

    return make


# --- relayed
def test_bytes_go_both_ways(server, desktop_that):
    with view(server, desktop_that(then="echo")) as browser:
        assert browser.subprotocol == "binary"
        for size in (1, 10, 65536, 1_000_000):
            text = b"\x06\0\0\0" + size.to_bytes(4, "big") + os.urandom(size)
            browser.send(text)
            assert exactly(browser, len(text)) == text


def test_no_byte_is_lost_or_reordered_during_the_handshake(server, desktop, vnc_server):
    """A fast browser sends everything at once: in messages, in fragments, and together with the handshake."""
    words = [b"\6\0\0\0\0\0\0\4" + number.to_bytes(4, "big") for number in range(500)]
    with dial(server, routes(desktop)[0], token_for(desktop)) as browser:
        browser.send(rfb.VERSION + b"\1")
        browser.send(b"\1" + words[0])
        for number, word in enumerate(words[1:]):
            browser.send([word[:5], word[5:]] if number % 3 else word)
        expected, until = b"".join(words), time.monotonic() + 5
        while len(vnc_server.received) < len(expected) and time.monotonic() < until:
            time.sleep(0.01)
        assert vnc_server.received == expected


def test_what_the_desktop_says_at_once_comes_first(server, desktop_that):
    with dial(server, routes(desktop := desktop_that(then="count_at_once"))[0], token_for(desktop)) as browser:
        browser.send(rfb.VERSION + b"\1\1")
        data = b""
        while len(data) < 18 + len(SERVER_INIT) + 4 * 50_000:
            data += browser.recv(timeout=5)
        assert data[18 + len(SERVER_INIT) :] == b"".join(number.to_bytes(4, "big") for number in range(50_000))


def test_the_token_may_come_as_a_header(server, desktop):
    for header in ("Authorization", "X-User-Token"):
        value = token_for(desktop)
        headers = {header: f"Bearer {value}" if header == "Authorization" else value}
        with dial(server, routes(desktop)[1], additional_headers=headers) as browser:
            assert greet(browser)


def test_a_tcp_endpoint_and_old_servers_work(uvicorn, desktop_that):
    for banner in (b"RFB 003.003\n", b"RFB 003.007\n", b"RFB 003.889\n"):
        desktop = desktop_that(banner=banner)
        with view(uvicorn, desktop) as browser:
            assert lives(browser)
        desktop.delete()


def test_second_window_does_not_disconnect_the_first(uvicorn, desktop, vnc_server):
    with view(uvicorn, desktop) as first, view(uvicorn, desktop):
        assert lives(first)
    assert vnc_server.inits == [rfb.SHARED, rfb.SHARED]


def test_the_newest_of_too_many_windows_wins(uvicorn, desktop):
    with view(uvicorn, desktop) as oldest, ExitStack() as stack:
        others = [stack.enter_context(view(uvicorn, desktop)) for _ in range(9)]
        assert lives(oldest)
        others.append(stack.enter_context(view(uvicorn, desktop)))
        assert ended(oldest, within=2) == "replaced"
        assert all(lives(other) for other in others)


def test_a_closed_window_hangs_up_on_the_desktop(server, desktop, vnc_server):
    with view(server, desktop):
        pass
    assert vnc_server.hung_up_on(within=3)


# --- ended
def test_a_desktop_that_ends_says_so(server, desktop_that):
    with view(server, desktop_that(then="hang_up")) as browser:
        browser.send(REQUEST)
        assert ended(browser, within=3) == "desktop_ended"


@pytest.mark.parametrize(
    "behaviour",
    [
        {"password": "another's"},  # the address now belongs to another desktop
        {"security_types": b"\1"},  # without a password it may be any server
        {"security_types": b"\1", "banner": b"RFB 003.003\n"},
        {"security_types": b"\x13\x05"},
        {"banner": b"SSH-2.0-xxxx"},
    ],
    ids=["wrong password", "no password", "no password, 3.3", "unknown security", "no VNC"],
)
def test_nothing_is_shown_of_a_foreign_vnc_server(uvicorn, desktop_that, behaviour):
    desktop = desktop_that(then="flood_at_once", **behaviour)
    with dial(uvicorn, routes(desktop)[0], token_for(desktop)) as browser:
        seen = b""
        with pytest.raises(ConnectionClosed) as closed:
            browser.send(rfb.VERSION + b"\1" + b"\1")
            while True:
                seen += browser.recv(timeout=5)
    assert closed.value.rcvd.reason == "desktop_unreachable"
    assert (rfb.VERSION + b"\1\1" + rfb.OK).startswith(seen)


def test_an_address_where_nobody_answers(uvicorn, running_desktop, alice, folder):
    desktop = running_desktop(alice, str(folder / "nobody"))
    with dial(uvicorn, routes(desktop)[0], token_for(desktop)) as browser:
        assert ended(browser, within=3) == "desktop_unreachable"
    assert str(desktop.pk) in reachability.take_reports()  # by now: the end of a stream cancels what is still to do


def test_a_browser_that_speaks_no_vnc(uvicorn, short_timeout_server, desktop):
    for words in ("text", b"RFB 003.003\n", b"GET / HTTP/1.1\r\n\r\n", rfb.VERSION + b"\2"):
        with dial(uvicorn, routes(desktop)[0], token_for(desktop)) as browser:
            browser.send(words)
            assert ended(browser, within=3) == "bad_client"
    with dial(short_timeout_server, routes(desktop)[0], token_for(desktop)) as silent:
        assert ended(silent, within=4) == "bad_client"


def test_a_desktop_that_says_nothing(short_timeout_server, desktop_that):
    desktop = desktop_that(banner=b"")
    with dial(short_timeout_server, routes(desktop)[0], token_for(desktop)) as browser:
        browser.send(rfb.VERSION + b"\1" + b"\1")
        assert ended(browser, within=4) == "desktop_unreachable"


def test_each_stream_leaves_two_log_lines(uvicorn, desktop_that):
    desktop = desktop_that(then="echo")
    with view(uvicorn, desktop) as browser:
        browser.send(REQUEST)
        exactly(browser, 10)
    time.sleep(0.3)
    lines = [line for line in uvicorn.log.splitlines() if str(desktop.pk) in line]
    opened, closed = (next(line for line in lines if word in line) for word in ("stream_opened", "stream_closed"))
    assert str(desktop.owner_id) in opened
    for part in ("reason=left", "seconds=", "down=39", "up=10"):
        assert part in closed


@pytest.mark.parametrize("then", ["swallow", "flood"])
def test_a_graceful_stop_tells_viewers_to_come_back(folder, desktop_that, django_db_setup, then):
    desktop = desktop_that(then=then)
    with running(folder) as server, view(server, desktop) as browser:
        if then == "flood":  # a browser that reads nothing does not delay the stop
            browser.send(REQUEST)
            time.sleep(0.5)
        server.process.terminate()
        if then == "swallow":
            with pytest.raises(ConnectionClosed) as closed:
                browser.recv(timeout=3)
            assert closed.value.rcvd.code == 1012
        assert server.process.wait(timeout=8) in (0, -15)


# --- limited
def test_a_browser_that_reads_nothing_costs_no_memory(uvicorn, desktop_that, make_vnc_server, running_desktop, bob):
    vnc_server = make_vnc_server(then="flood")
    desktop = running_desktop(bob, vnc_server.path)
    with view(uvicorn, desktop, session="s") as browser:
        before = uvicorn.memory
        browser.send(REQUEST)
        time.sleep(2)
        stopped_at = vnc_server.sent
        time.sleep(0.5)
        assert vnc_server.sent == stopped_at
        assert uvicorn.memory - before < 8 * MIB
        count = (stopped_at // 65536 + 200) * 65536  # everything in buffers, and more
        data = bytearray()
        while len(data) < count:
            data += browser.recv(timeout=5)
        assert all(data[n * 65536 : n * 65536 + 8] == n.to_bytes(8, "big") for n in range(count // 65536))


def test_a_desktop_that_reads_nothing_costs_no_memory(uvicorn, desktop_that):
    with view(uvicorn, desktop_that(then="ignore_input")) as browser:
        before = uvicorn.memory
        sent = [0]
        threading.Thread(target=_upload, args=(browser, sent), daemon=True).start()
        time.sleep(1.5)
        stopped_at = sent[0]
        time.sleep(0.5)
        assert sent[0] == stopped_at > 0
        assert uvicorn.memory - before < 8 * MIB
        browser.socket.shutdown(socket.SHUT_RDWR)


def _upload(browser, sent) -> None:
    part = b"\x06\0\0\0" + (65528).to_bytes(4, "big") + bytes(65528)
    try:
        while True:
            browser.send(part)
            sent[0] += 1
    except (ConnectionClosed, OSError):
        pass


def test_stalled_peers_time_out(short_timeout_server, desktop_that, make_vnc_server, running_desktop, bob):
    with view(short_timeout_server, desktop_that(then="ignore_input")) as browser:
        threading.Thread(target=_upload, args=(browser, [0]), daemon=True).start()
        assert ended(browser, within=5) == "desktop_stuck"
    vnc_server = make_vnc_server(then="flood")
    with view(short_timeout_server, running_desktop(bob, vnc_server.path), session="s") as browser:
        browser.send(REQUEST)
        assert vnc_server.hung_up_on(within=5)
    assert "reason=too_slow" in short_timeout_server.log


def raw_session(server, desktop) -> socket.socket:
    """Connect without a WebSocket library, up to status 101. The kernel buffers little of what is not read."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(10)
    connection.connect(("127.0.0.1", server.port))
    connection.sendall(raw_request(server, desktop))
    assert b" 101 " in connection.recv(4096)
    return connection


def raw_request(server, desktop) -> bytes:
    return (
        f"GET {routes(desktop)[0]} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"X-User-Token: {token_for(desktop)}\r\n\r\n"
    ).encode()


def flood(connection: socket.socket, data: bytes, *, most: int) -> int:
    """Send without reading until the other side stops for a second, hangs up, or has taken `most`. Return the bytes."""
    sent = 0
    connection.settimeout(1)
    try:
        while sent < most:
            sent += connection.send(data)
    except OSError:
        pass
    return sent


@pytest.mark.parametrize(
    "frame", [b"\x89\xfd" + bytes(4) + bytes(125), b"\x82\x80" + bytes(4)], ids=["pings", "empty messages"]
)
def test_a_flood_of_frames_costs_no_memory(uvicorn, desktop, frame):
    with raw_session(uvicorn, desktop) as connection:
        time.sleep(0.2)
        before = uvicorn.memory
        flood(connection, frame * (65536 // len(frame)), most=len(frame) * 200_000)
        assert uvicorn.memory - before < 8 * MIB


def test_a_message_without_end_is_cut_off(uvicorn, desktop, vnc_server):
    with raw_session(uvicorn, desktop) as connection:
        connection.sendall(b"\x02\x80" + bytes(4))
        assert flood(connection, (b"\x00\x80" + bytes(4)) * 10_000, most=32 * MIB) < 32 * MIB
        assert vnc_server.hung_up_on(within=3)


def test_client_that_sends_before_the_handshake_ends_is_disconnected(uvicorn, desktop):
    with socket.create_connection(("127.0.0.1", uvicorn.port), timeout=1) as connection:
        before, frame = uvicorn.memory, b"\x82\xfe\x7f\xff" + bytes(4) + bytes(0x7FFF)
        connection.sendall(raw_request(uvicorn, desktop) + 4 * frame)  # before the handshake has ended
        assert flood(connection, frame, most=64 * MIB) < 64 * MIB
        assert uvicorn.memory - before < 8 * MIB
