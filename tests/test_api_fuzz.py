"""schemathesis against a running Podesk, with requests that match the schema and requests that do not.

No answer may be a 500 or undocumented. No request may be accepted against the schema, or refused although it is valid.
Each operation has to succeed at least once. There are three runs: a user, an administrator, and at last deletions by an
administrator, so that nothing is deleted before it is tried.
"""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from podesk_cli.folders import CHECKOUT
from tests.support.running_podesk import Portal, running, wait_for

pytestmark = pytest.mark.postgres  # it refuses more input than SQLite

UNLIMITED = {f"API_RATE_{kind}": "0" for kind in ("READ", "WRITE", "CREATE", "LOGIN", "ADDRESS")}
API = "/api/v1"
FILE = "notes.txt"  # in each home folder
CONFIG = CHECKOUT / "tests/schemathesis.toml"
PASSWORD = "lorem ipsum dolor"
TAKE_AWAY = (
    *("deleteBackup", "deleteAllBackups", "deletePod", "deleteVolume", "deleteUser", "deleteQuota", "deleteAnyPod"),
)
SPEND = ("refreshToken", "revokeToken", "revokeAllTokens")  # they revoke the token of the request, or others
# A hook replaces the token of each request, which looks to schemathesis as if the server ignored the token.
LAST = ("--exclude-checks", "ignored_auth", "--generation-with-security-parameters", "false")
NEVER_SUCCEED = {"showPodPassword": "everybody comes through the portal here, which tells no password: 404"}


@pytest.fixture(scope="module")
def portal() -> Iterator[Portal]:
    with tempfile.TemporaryDirectory(prefix="podesk-fuzz-", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o755)  # the account that runs desktops must be able to enter it
        backups = {"BACKUP_REPOSITORY": f"{made}/backups"}
        settings = backups | UNLIMITED | {"API_WAIT_LIMIT": "1", "KEPT_FILES_DAYS": "30"}
        with running(Path(made) / "data", **settings) as started:
            yield started


def signed_in(portal: Portal, username: str, password: str) -> httpx.Client:
    response = httpx.post(
        f"{portal.url}{API}/auth/token", json={"username": username, "password": password}, timeout=30
    )
    assert response.status_code == 201, response.text
    return httpx.Client(base_url=portal.url + API, headers={"X-User-Token": response.json()["token"]}, timeout=30)


def launched(person: httpx.Client, name: str) -> str:
    """Launch a desktop and wait until it runs."""
    pod = person.post("/pods/create", json={"name": name}).raise_for_status().json()["pod_name"]
    wait_for(lambda: person.get(f"/pods/{pod}").json()["status"] == "running", 60)
    return str(pod)


def backed_up(portal: Portal, person: httpx.Client, pods: dict[str, str]) -> dict[str, list[str]]:
    """Back up a running desktop and one at rest. Return the ids by the name of the parameter that takes them."""
    rested = launched(person, "rested")
    person.post(f"/pods/{rested}/stop").raise_for_status()
    wait_for(lambda: person.get(f"/pods/{rested}").json()["status"] == "stopped", 60)
    for home in (portal.data / "local/volumes").iterdir():
        (home / FILE).write_text("notes")
    tasks = [back_up(person, pod) for pod in (rested, pods[""])]
    backups = person.get("/backups").json()["results"]
    # All backups of one home folder may be deleted at once, and still there is one to delete alone.
    ids = {"backup_id": [each["id"] for each in backups], "repository_id": [backups[-1]["repository"]]}
    return ids | {"task_id": tasks}


def without_removals(portal: Portal) -> None:
    """Prevent the daily removal: it keeps the last backup of each hour only, and requests are for all of them."""
    done = "from desktops.models import BackupRepository as R; R.objects.update(tidied_at='9999-01-01T00:00Z')"
    removals = "SELECT 1 FROM desktops_backuptask WHERE kind = 'forget' AND status IN ('queued', 'running')"
    for _ in range(2):  # one that has begun writes the time of its end
        assert portal.manage("shell", "-c", done).returncode == 0
        wait_for(lambda: not portal.query(removals), 60)


def back_up(person: httpx.Client, pod: str) -> str:
    """Back up a desktop, and return the id of the task when it has succeeded."""
    task = person.post(f"/pods/{pod}/backups", json={}).raise_for_status().json()["id"]
    wait_for(lambda: person.get(f"/backup-tasks/{task}").json()["status"] == "succeeded", 60)
    return str(task)


@pytest.fixture(scope="module")
def runs(portal) -> dict[str, tuple[str, set[tuple[str, int]]]]:
    """Return the output of schemathesis, and the statuses of each operation, by the name of the run."""
    admin = signed_in(portal, "admin", portal.password)
    default = admin.get("/admin/quotas").json()["results"][0]["id"]
    enough = {"desktops": 3, "cpu": 16, "memory_mib": 32_768, "storage_gib": 1000}
    admin.patch(f"/admin/quotas/{default}", json=enough).raise_for_status()
    for name in ("una", "spender"):
        admin.post("/admin/users", json={"username": name, "password": PASSWORD}).raise_for_status()
    una = signed_in(portal, "una", PASSWORD)
    made = portal.manage("shell", "-c", "from tests.support.fuzz_data import make; make()")
    assert made.returncode == 0, made.stderr
    ids = json.loads(made.stdout.splitlines()[-1])

    def pods(person: httpx.Client) -> dict[str, str]:
        """Launch a desktop that keeps running and one that is started and stopped. Return them by operation."""
        steady, moved = launched(person, "steady"), launched(person, "moved")
        return {"": steady} | dict.fromkeys(("startPod", "stopPod", "restartPod", "deletePod"), moved)

    without = [word for name in (*TAKE_AWAY, *SPEND) for word in ("--exclude-operation-id", name)]
    alone = [word for name in (*TAKE_AWAY, *SPEND) for word in ("--include-operation-id", name)]
    # A user gets 403 for administration, which test_api_matrix.py tests. The admin's run repeats the other operations.
    mine = [*without, "--exclude-path-regex", f"^{API}/admin/", "--max-examples", "5"]
    unas, admins = pods(una), pods(admin)
    unas_ids, admins_ids = ids | backed_up(portal, una, unas), ids | backed_up(portal, admin, admins)
    admins |= dict.fromkeys(("stopAnyPod", "deleteAnyPod"), unas["stopPod"])
    without_removals(portal)
    ended = {
        "user": tried(portal, una, mine, pods=unas, ids=unas_ids),
        "admin": tried(portal, admin, without, pods=admins, ids=admins_ids),
    }
    open_tasks = "SELECT 1 FROM desktops_backuptask WHERE status IN ('queued', 'running')"
    wait_for(lambda: not portal.query(open_tasks), 300)  # a backup that is being restored cannot be deleted
    return ended | {"last": tried(portal, admin, [*alone, *LAST], pods=admins, ids=admins_ids, spends=True)}


def tried(
    portal: Portal, person: httpx.Client, options: list[str], *, spends: bool = False, **things: Any
) -> tuple[str, set[tuple[str, int]]]:
    token = person.headers["X-User-Token"]
    spender = {"username": "spender", "password": PASSWORD}
    world = {"api": portal.url + API, "file": FILE, "token": token, "spends": spends, "spender": spender} | things
    header = [] if spends else ["--header", f"X-User-Token: {token}"]
    with tempfile.TemporaryDirectory(prefix="schemathesis-") as place:  # its folder for findings
        answered = Path(place) / "answered"
        environment = {"FUZZ_WORLD": json.dumps(world), "FUZZ_ANSWERED": str(answered)}
        ended = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG)),
                *("run", f"{portal.url}/api/schema/", *header, *options),
            ],
            cwd=place,
            env=os.environ
            | environment
            | {"SCHEMATHESIS_HOOKS": "tests.support.fuzz_hooks", "PYTHONPATH": str(CHECKOUT)},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        pairs = [line.split() for line in answered.read_text().splitlines()] if answered.exists() else []
    end = "" if ended.returncode == 0 else f"\nended with {ended.returncode}\n{ended.stderr}"
    return ended.stdout + end, {(name, int(status)) for name, status in pairs}


@pytest.mark.parametrize(("run", "least"), [("user", 800), ("admin", 1500), ("last", 150)])
def test_no_failure(run, least, runs, portal, record_property):
    ends, _ = runs[run]
    found = re.search(r"(\d+) generated, (\d+) passed", ends)
    assert "ended with" not in ends, ends
    assert (found and found[1] == found[2]) or "No issues found" in ends, ends
    record_property("figure", f"schemathesis, {run}: {found[0] if found else ends[-200:]}")
    assert int(re.search(r"(\d+) generated", ends)[1]) > least
    assert portal.ready()


def test_each_operation_has_succeeded(runs):
    """Otherwise an operation that always answers 404 or 403 would pass."""
    paths = yaml.safe_load((CHECKOUT / "docs/openapi.yaml").read_text())["paths"]
    known = {operation["operationId"] for methods in paths.values() for operation in methods.values()}
    succeeded = {name for _, answers in runs.values() for name, status in answers if 200 <= status < 300} - {"-"}
    assert known - succeeded == NEVER_SUCCEED.keys()


def answered(portal: Portal, request: bytes, *, ends: bool) -> int:
    """Return the status of the answer, or 0 if the server closed the connection. `ends`: close our side first."""
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
