"""Tests of `/ws/desktops/<id>/ssh`: raw bytes to the SSH port, with the checks and disconnects of the screen."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest
from websockets.sync.client import ClientConnection

from accounts import revocation
from desktops.models import Desktop, Status
from desktops.tests.proxy.conftest import dial, ended, exactly, lives, token_for
from desktops.tests.proxy.test_proxy_access import refusal
from desktops.tests.support.portal_server import Server, running

BANNER = b"SSH-2.0-OpenSSH_9.2p1\r\n"
HERE = ["-m", "desktops.tests.support.portal_with_ssh_port"]


class Sshd:
    """A server that sends its banner first, as SSH servers do, and then echoes."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self.open.append(self.listener.accept()[0])
                threading.Thread(target=self._serve, args=(self.open[-1],), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            connection.sendall(BANNER)
            while data := connection.recv(65536):
                connection.sendall(data)


@pytest.fixture(scope="module")
def sshd() -> Iterator[Sshd]:
    made = Sshd()
    yield made
    made.listener.close()


@pytest.fixture(scope="module")
def server(folder, sshd, django_db_setup) -> Iterator[Server]:
    with running(folder, HERE, SSH_HERE=str(sshd.port)) as made:
        yield made


@pytest.fixture
def desktop(running_desktop, alice, sshd) -> Desktop:
    sshd.open.clear()
    return running_desktop(alice, "127.0.0.1", endpoint_kind="tcp", endpoint_port=9)


def path(desktop: Desktop) -> str:
    return f"/ws/desktops/{desktop.pk}/ssh"


def shell(server: Server, desktop: Desktop, **scope) -> contextlib.AbstractContextManager[ClientConnection]:
    return dial(server, path(desktop), token_for(desktop, **{"permissions": ("ssh",), **scope}))


def test_bytes_go_through_as_they_are(server, desktop):
    with shell(server, desktop) as opened:
        assert exactly(opened, len(BANNER)) == BANNER
        for data in (b"SSH-2.0-me\r\n", bytes(range(256)) * 1000, b"\0"):
            opened.send(data)
            assert exactly(opened, len(data)) == data


def test_without_a_browser_the_token_comes_as_a_header(server, desktop):
    token = token_for(desktop, permissions=("vnc", "ssh"))
    for header in ({"X-User-Token": token}, {"Authorization": f"Bearer {token}"}):
        with dial(server, path(desktop), subprotocols=None, additional_headers=header) as opened:
            assert exactly(opened, len(BANNER)) == BANNER


def test_who_may_see_the_screen_may_not_therefore_log_in(server, desktop, sshd):
    assert refusal(server, path(desktop), token_for(desktop)) == (403, "not_permitted")
    with_ssh = token_for(desktop, permissions=("ssh",))
    assert refusal(server, f"/ws/desktops/{desktop.pk}/vnc", with_ssh) == (403, "not_permitted")
    assert not sshd.open


def test_strangers_are_refused(server, desktop, bob, sshd):
    assert refusal(server, path(desktop)) == (401, "missing")
    bobs = token_for(desktop, user=bob, permissions=("ssh",))
    assert refusal(server, path(desktop), bobs) == (404, "not_found")
    assert not sshd.open


def test_one_that_does_not_run(server, desktop, sshd):
    Desktop.objects.update(status=Status.STOPPED)
    assert refusal(server, path(desktop), token_for(desktop, permissions=("ssh",))) == (409, "not_running")
    assert not sshd.open


def test_a_desktop_of_this_machine_has_no_ssh(server, running_desktop, alice, vnc_server):
    local = running_desktop(alice, vnc_server.path)
    assert refusal(server, path(local), token_for(local, permissions=("ssh",))) == (404, "no_ssh")
    assert not vnc_server.open


def test_logging_out_cuts_it(server, desktop):
    with shell(server, desktop) as opened, shell(server, desktop, session="sess_2") as other:
        assert exactly(opened, len(BANNER)) == exactly(other, len(BANNER))
        revocation.revoke_session("sess_1", reason="logged_out")
        assert ended(opened, within=2) == "logged_out"
        assert lives(other)


def test_many_windows_do_not_push_it_out(folder, sshd, desktop, django_db_setup):
    with (
        running(folder, HERE, SSH_HERE=str(sshd.port), PROXY_STREAMS_PER_DESKTOP="1") as server,
        shell(server, desktop) as opened,
    ):
        assert exactly(opened, len(BANNER)) == BANNER
        assert _fails_to_show(server, desktop) == "desktop_unreachable"  # the port of the screen is closed here
        assert lives(opened)
        with shell(server, desktop) as newer:
            assert exactly(newer, len(BANNER)) == BANNER
            assert ended(opened, within=2) == "replaced"


def _fails_to_show(server: Server, desktop: Desktop) -> str:
    with dial(server, f"/ws/desktops/{desktop.pk}/vnc", token_for(desktop)) as screen:
        return ended(screen, within=5)


def test_typing_counts_as_use(server, desktop, wait_for):
    with shell(server, desktop) as opened:
        assert exactly(opened, len(BANNER)) == BANNER
        opened.send(b"x")
        wait_for(lambda: Desktop.objects.filter(last_input_at__isnull=False).exists())


def test_the_other_end_hangs_up(server, desktop, sshd):
    with shell(server, desktop) as opened:
        assert exactly(opened, len(BANNER)) == BANNER
        sshd.open[-1].shutdown(socket.SHUT_RDWR)
        assert ended(opened, within=2) == "desktop_ended"
