"""schemathesis against a running Podesk: whatever the schema allows, and what it does not, as administrator and as an
ordinary user. Nothing may be a 500, undocumented, accepted against the schema or refused although it is right.

Left out, since they would end the run's own token, and tried by hand in accounts/api/tests: refreshToken, revokeToken,
revokeAllTokens. An administrator's own account cannot be deleted over the API."""

import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from frontdoor.place import CHECKOUT
from tests.whole import Portal, running

LEFT_OUT = ("refreshToken", "revokeToken", "revokeAllTokens")
UNLIMITED = {f"API_RATE_{kind}": "0" for kind in ("READ", "WRITE", "CREATE", "LOGIN", "ADDRESS")}
API = "/api/v1"
CONFIG = CHECKOUT / "tests/schemathesis.toml"


@pytest.fixture(scope="module")
def portal() -> Iterator[Portal]:
    with tempfile.TemporaryDirectory(prefix="podesk-fuzz-", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o755)  # the account of desktops passes through
        with running(Path(made) / "data", API_WAIT_LIMIT="1", **UNLIMITED) as started:
            yield started


def signed_in(portal: Portal, username: str, password: str) -> httpx.Client:
    told = httpx.post(f"{portal.url}{API}/auth/token", json={"username": username, "password": password}, timeout=30)
    assert told.status_code == 201, told.text
    return httpx.Client(base_url=portal.url + API, headers={"X-User-Token": told.json()["token"]}, timeout=30)


@pytest.fixture(scope="module")
def admin(portal) -> httpx.Client:
    client = signed_in(portal, "admin", portal.password)
    default = client.get("/admin/quotas").json()["results"][0]["id"]
    client.patch(f"/admin/quotas/{default}", json={"desktops": 1})  # each desktop is a real one
    return client


@pytest.fixture(scope="module")
def user(admin, portal) -> httpx.Client:
    password = "lorem ipsum dolor"
    assert admin.post("/admin/users", json={"username": "una", "password": password}).status_code == 201
    return signed_in(portal, "una", password)


def tried(portal: Portal, person: httpx.Client, place: Path) -> str:
    """What schemathesis prints at the end. It keeps what it found in the folder where it runs."""
    pod = person.post("/pods/create").json()["pod_name"]
    left_out = [word for name in LEFT_OUT for word in ("--exclude-operation-id", name)]
    token = person.headers["X-User-Token"]
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG)),
            *("run", f"{portal.url}/api/schema/", "--header", f"X-User-Token: {token}", "--max-examples", "10"),
            *left_out,
        ],
        cwd=place,
        env=os.environ | {"SCHEMATHESIS_HOOKS": "tests.fuzz_hooks", "PYTHONPATH": str(CHECKOUT), "FUZZ_POD": pod},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.mark.postgres  # it refuses more than SQLite does
@pytest.mark.parametrize("who", ["user", "admin"])
def test_no_failure(who, portal, request, capsys, tmp_path):
    """The user first: the administrator's run changes quotas and users."""
    ends = tried(portal, request.getfixturevalue(who), tmp_path)
    found = re.search(r"(\d+) generated, (\d+) passed", ends)
    assert (found and found[1] == found[2]) or "No issues found" in ends, ends
    with capsys.disabled():
        print(f"\nschemathesis as {who}: {found[0] if found else ends[-200:]}")
    assert int(re.search(r"(\d+) generated", ends)[1]) > 500
    assert portal.ready()


def answered(portal: Portal, request: bytes, *, ends: bool) -> int:
    """The status that the server answers these bytes with; 0: it closed the connection. `ends`: so do we."""
    with socket.create_connection(("127.0.0.1", portal.port), timeout=30) as connection:
        connection.sendall(request)
        if ends:
            connection.shutdown(socket.SHUT_WR)
        line = connection.makefile("rb").readline()
    return int(line.split()[1]) if line else 0


def asked(head: str, body: bytes = b"", method: str = "POST", path: str = f"{API}/auth/token/verify") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{head}\r\n".encode("latin-1") + body


JSON = "Content-Type: application/json\r\n"
CHUNKED = f"{JSON}Transfer-Encoding: chunked\r\n"
TOKEN = b'{"token": "none"}'
AS_CHUNK = b"%x\r\n%s\r\n" % (len(TOKEN), TOKEN)


RAW: dict[str, tuple[bytes, set[int]]] = {
    "as it should be": (asked(f"{JSON}Content-Length: {len(TOKEN)}\r\n", TOKEN), {401}),
    "in chunks: read as sent, not as empty": (asked(CHUNKED, AS_CHUNK + b"0\r\n\r\n"), {401}),
    "no chunks": (asked(CHUNKED, b"0\r\n\r\n"), {422}),
    "a chunk of 1 MB": (asked(CHUNKED, b"100000\r\n" + b" " * 2**20 + b"\r\n0\r\n\r\n"), {413}),
    "1 MB": (asked(f"{JSON}Content-Length: {2**20}\r\n", b" " * 2**20), {413}),
    "a chunk without length": (asked(CHUNKED, b"zz\r\n"), {0, 400}),
    "half a chunk": (asked(CHUNKED, b"5\r\nab"), {0}),
    "half a body": (asked(f"{JSON}Content-Length: 99\r\n", TOKEN), {0}),
    "negative length": (asked(f"{JSON}Content-Length: -1\r\n", TOKEN), {400}),
    "length in words": (asked(f"{JSON}Content-Length: many\r\n", TOKEN), {400}),
    "NUL in a header": (asked("X-User-Token: a\0b\r\n", method="GET", path=f"{API}/pods"), {400}),
    "long header": (asked(f"X-User-Token: {'a' * 60_000}\r\n", method="GET", path=f"{API}/pods"), {400, 401, 431}),
    "header in Latin-1": (asked("X-User-Token: \xff\xfe\r\n", method="GET", path=f"{API}/pods"), {401}),
    "NUL in the path": (asked("", method="GET", path=f"{API}/pods/%00"), {404}),
    "path that is no UTF-8": (asked("", method="GET", path=f"{API}/pods/%zz%ff%ed%a0%80"), {404}),
    "query that is no UTF-8": (asked("", method="GET", path=f"{API}/pods?%zz=%ff%00"), {401}),
    "long path": (asked("", method="GET", path=f"{API}/" + "a" * 50_000), {400, 404, 414}),
    "unheard method": (asked("", method="BREW", path=f"{API}/pods"), {400, 401, 405}),
    "foreign host": (b"GET /api/v1/pods HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", {400, 401}),
    "no host": (b"GET /api/v1/pods HTTP/1.0\r\n\r\n", {400, 401}),
    "no HTTP": (b"\0\1\2\r\n\r\n", {400}),
}


@pytest.mark.parametrize("what", RAW)
def test_bytes_that_no_library_sends(what, portal):
    request_, statuses = RAW[what]
    assert answered(portal, request_, ends="half" in what) in statuses
    assert portal.ready()
