"""schemathesis against a running Podesk: whatever the schema allows, and what it does not, as administrator and as an
ordinary user. Nothing may be a 500, undocumented, accepted against the schema or refused although it is right.

Left out, since they would end the run's own token, and tried by hand in accounts/api/tests: refreshToken, revokeToken,
revokeAllTokens. An administrator's own account cannot be deleted over the API."""

import os
import re
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


def tried(portal: Portal, person: httpx.Client) -> str:
    """What schemathesis prints at the end."""
    pod = person.post("/pods/create").json()["pod_name"]
    left_out = [word for name in LEFT_OUT for word in ("--exclude-operation-id", name)]
    token = person.headers["X-User-Token"]
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", "tests/schemathesis.toml"),
            *("run", f"{portal.url}/api/schema/", "--header", f"X-User-Token: {token}", "--max-examples", "10"),
            *left_out,
        ],
        cwd=CHECKOUT,
        env=os.environ | {"SCHEMATHESIS_HOOKS": "tests.fuzz_hooks", "PYTHONPATH": str(CHECKOUT), "FUZZ_POD": pod},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.mark.parametrize("who", ["user", "admin"])
def test_no_failure(who, portal, request, capsys):
    """The user first: the administrator's run changes quotas and users."""
    ends = tried(portal, request.getfixturevalue(who))
    found = re.search(r"(\d+) generated, (\d+) passed", ends)
    assert (found and found[1] == found[2]) or "No issues found" in ends, ends
    with capsys.disabled():
        print(f"\nschemathesis as {who}: {found[0] if found else ends[-200:]}")
    assert int(re.search(r"(\d+) generated", ends)[1]) > 500
    assert portal.ready()
