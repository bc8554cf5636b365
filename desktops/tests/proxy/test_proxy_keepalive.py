"""The proxy answers the keepalive messages of a page. They have no other effect."""

import os
import time

import pytest

from core.keepalive import PING, PONG, SUBPROTOCOL
from desktops.models import Desktop
from desktops.proxy import rfb
from desktops.tests.proxy.conftest import dial, ended, exactly, greet, lives, routes, token_for, view
from portal.websocket import MESSAGE

pytestmark = pytest.mark.once


@pytest.fixture(params=["uvicorn", "daphne"])
def server(request):
    return request.getfixturevalue(request.param)


def ask(server, desktop):
    offered = [SUBPROTOCOL, "binary", f"podesk.token.{token_for(desktop)}"]
    return dial(server, routes(desktop)[0], subprotocols=offered)


def test_ping_is_answered_during_and_after_the_handshake(server, desktop, vnc_server):
    with ask(server, desktop) as browser:
        assert browser.subprotocol == SUBPROTOCOL
        browser.send(PING)
        assert browser.recv(timeout=5) in (PONG, rfb.VERSION)
        assert browser.recv(timeout=5) in (PONG, rfb.VERSION)
        browser.send(rfb.VERSION + b"\1\1")
        exactly(browser, 2 + 4 + 29)
        for _ in range(3):
            browser.send(PING)
            assert browser.recv(timeout=5) == PONG
    assert vnc_server.received == b""


def test_comes_between_messages(uvicorn, running_desktop, make_vnc_server, alice):
    desktop = running_desktop(alice, make_vnc_server(then="echo").path)
    text = b"\x06\0\0\0" + (3 * MESSAGE).to_bytes(4, "big") + os.urandom(3 * MESSAGE)
    with ask(uvicorn, desktop) as browser:
        greet(browser)
        pongs, echoed = 0, b""
        for start in range(0, len(text), 50_000):
            browser.send(text[start : start + 50_000])
            browser.send(PING)
        while len(echoed) < len(text) or pongs < 4:
            said = browser.recv(timeout=5)
            pongs += said == PONG
            echoed += said if isinstance(said, bytes) else b""
        assert echoed == text


def test_a_large_picture_comes_in_messages_that_a_slow_line_can_carry(uvicorn, running_desktop, make_vnc_server, alice):
    """A browser gets a message only when all of it has arrived."""
    desktop = running_desktop(alice, make_vnc_server(then="flood").path)
    with view(uvicorn, desktop) as browser:
        browser.send(b"\3" + bytes(9))
        time.sleep(0.5)  # until much data is buffered
        sizes = [len(browser.recv(timeout=5)) for _ in range(50)]
    assert max(sizes) == MESSAGE


def test_is_no_activity(uvicorn, desktop):
    with ask(uvicorn, desktop) as browser:
        greet(browser)
        for _ in range(25):
            browser.send(PING)
            assert browser.recv(timeout=5) == PONG
            time.sleep(0.1)
    assert Desktop.objects.get().last_input_at is None


@pytest.mark.parametrize("text", ["pong", "", "ping ", "x" * 100_000])
def test_any_other_text_ends_it(server, desktop, text):
    with ask(server, desktop) as browser:
        greet(browser)
        browser.send(text)
        assert ended(browser, within=3) == "bad_client"


def test_a_client_that_has_not_offered_it_may_not_ask(server, desktop):
    with view(server, desktop) as browser:
        assert browser.subprotocol == "binary"
        browser.send(PING)
        assert ended(browser, within=3) == "bad_client"


def test_asking_again_and_again_without_reading_keeps_nothing(uvicorn, running_desktop, make_vnc_server, alice):
    desktop = running_desktop(alice, make_vnc_server(then="flood").path)
    with ask(uvicorn, desktop) as hasty, view(uvicorn, desktop) as other:
        greet(hasty)
        hasty.send(b"\3" + bytes(9))
        time.sleep(0.5)
        before = uvicorn.memory
        for _ in range(20_000):
            hasty.send(PING)
        assert lives(other)
        assert uvicorn.memory - before < 4 * 2**20
