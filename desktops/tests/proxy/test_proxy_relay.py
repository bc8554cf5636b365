"""What goes through, on both servers."""

import pytest

from desktops.tests.proxy.conftest import dial, exactly, greet, routes, token_for, view


@pytest.fixture(params=["uvicorn", "daphne"])
def server(request):
    return request.getfixturevalue(request.param)


def test_bytes_go_both_ways(server, running_desktop, make_far_end, alice):
    def echo(end, connection):
        while data := connection.recv(65536):
            connection.sendall(data)

    desktop = running_desktop(alice, make_far_end(then=echo).path)
    with view(server, desktop) as browser:
        assert browser.subprotocol == "binary"
        for size in (1, 10, 65536, 1_000_000):
            text = b"\x06\0\0\0" + size.to_bytes(4, "big") + bytes(range(256)) * (size // 256) + b"x" * (size % 256)
            browser.send(text)
            assert exactly(browser, len(text)) == text


def test_the_token_may_come_as_a_header(server, desktop):
    for header in ("Authorization", "X-User-Token"):
        value = token_for(desktop)
        headers = {header: f"Bearer {value}" if header == "Authorization" else value}
        with dial(server, routes(desktop)[1], additional_headers=headers) as browser:
            greet(browser)
