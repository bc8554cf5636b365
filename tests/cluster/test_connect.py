"""Exposure by node port: VNC and SSH programs, browsers and scripts can connect with what the page shows."""

import html
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from desktops.tests.support.rfb_client import RfbClient
from podesk_cli.folders import CHECKOUT
from tests.support.cluster.podesk_outside import Driven, driving
from tests.support.nginx import listens
from tests.support.running_podesk import wait_for

pytestmark = pytest.mark.cluster
ISSUE = """
from accounts import tokens
from desktops.token_scopes import desktop_token_scope
from desktops.models import Desktop
desktop = Desktop.objects.get()
scope = desktop_token_scope(desktop, session_id="sess_ssh", permissions=("ssh",))
print("token:", tokens.issue(desktop.owner, scope=scope))
"""


@pytest.fixture(scope="module")
def driven(kube) -> Iterator[Driven]:
    # Other test files choose ports above these.
    ports = {"DESKTOP_VNC_PORTS": "30000-30300", "DESKTOP_SSH_PORTS": "31001-31300"}
    with driving(kube, DESKTOP_EXPOSURE="nodeport", **ports) as made:
        yield made


@pytest.fixture(scope="module")
def key(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("ssh") / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


@pytest.fixture(scope="module")
def desktop(driven, key) -> str:
    """Return a running desktop that has the key."""
    answer = driven.person.post("/accounts/ssh-keys/", public_key=key.with_suffix(".pub").read_text())
    assert "The key was added." in answer.text
    return driven.run()


@pytest.fixture
def shown(driven, desktop):
    """Return a function that returns the text of an element of the page by its id."""
    page = driven.person.http.get(f"/desktops/{desktop}/").text

    def look(name: str) -> str:
        found = re.search(rf'id="{name}"[^>]*>([^<]+)<', page)
        assert found, page.split('id="connect"')[-1]
        return html.unescape(found[1])

    return look


def fingerprint(known_hosts: Path) -> str:
    return subprocess.run(["ssh-keygen", "-l", "-f", known_hosts], capture_output=True, text=True, check=True).stdout


def ssh(key: Path, known_hosts: Path, *arguments: str, **environment: str) -> str:
    options = [
        "BatchMode=yes",
        "ConnectionAttempts=20",
        "StrictHostKeyChecking=accept-new",
        f"UserKnownHostsFile={known_hosts}",
    ]
    command = ["ssh", "-i", str(key), *(word for option in options for word in ("-o", option)), *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, env=os.environ | environment, cwd=CHECKOUT, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_vnc_program(driven, desktop, shown):
    host, port = shown("access-vnc").rsplit(":", 1)
    password = re.search(r'id="vnc-password">([^<]+)<', driven.person.act(desktop, "password").text)
    assert password
    wait_for(lambda: listens(int(port), host), 30)  # each node opens it after the pod is ready
    with RfbClient((host, int(port)), html.unescape(password[1])) as screen:
        assert (screen.width, screen.height) == (1920, 1080)
    with pytest.raises(ConnectionRefusedError):
        RfbClient((host, int(port)), "not this")


def test_a_browser(shown):
    page = shown("access-novnc")
    # noVNC starts a second after the screen (docker/desktop/bin/desktop).
    with httpx.Client(transport=httpx.HTTPTransport(retries=6), timeout=20) as patient:
        answer = patient.get(page)
    assert answer.status_code == 200
    assert "VNC password" in answer.text
    with connect(page.replace("http", "ws", 1).replace("vnc.html", "websockify"), subprotocols=["binary"]) as opened:
        assert opened.recv(timeout=20) == b"RFB 003.008\n"


def test_an_ssh_program(shown, key, tmp_path):
    command = shown("access-ssh").split()
    assert command[0] == "ssh"
    assert ssh(key, tmp_path / "known", *command[1:], "whoami; pwd").split() == ["void", "/home/void/workspace"]
    assert shown("host-key") in fingerprint(tmp_path / "known")


def test_ssh_through_the_portal(driven, desktop, shown, key, tmp_path):
    token = driven.shell(ISSUE).split("token:")[1].split()[0]
    address = f"{driven.portal.url.replace('http', 'ws')}/ws/desktops/{desktop}/ssh"
    pipe = f"ProxyCommand={sys.executable} -m tests.support.cluster.ws_pipe {address}"
    said = ssh(key, tmp_path / "known", "-o", pipe, "-o", "HostKeyAlias=d", "void@d", "seq 100000", TOKEN=token)
    assert said == "".join(f"{number}\n" for number in range(1, 100_001))
    assert shown("host-key") in fingerprint(tmp_path / "known")
