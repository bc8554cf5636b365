"""`./podesk run`, a token and curl: the commands of curl_examples word for word, then all actions on a desktop."""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.curl_examples import CREATE, DELETE, LOGS, STATUS
from tests.support.running_podesk import Portal, running

pytestmark = pytest.mark.once


class Shell:
    """A shell with curl and a token."""

    def __init__(self, portal: Portal, home: Path) -> None:
        self._portal, self._home, self.token, self.pod = portal, home, "", ""
        (home / ".curlrc").write_text('silent\nshow-error\nwrite-out = "\\n%{http_code}"\n')  # commands stay as written
        login = json.dumps({"username": "admin", "password": portal.password})
        address = "http://vnc-api.example.com/api/v1/auth/token"
        status, body = self(f"curl -X POST {address} -H 'Content-Type: application/json' -d '{login}'")
        assert status == 201, body
        self.token = body["token"]

    def __call__(self, command: str) -> tuple[int, Any]:
        """Run the command and return the status and the JSON of the answer."""
        yours = {
            "http://vnc-api.example.com": self._portal.url,
            "your-token-here": self.token,
            "vnc-user-12345": self.pod,
        }
        for theirs, mine in yours.items():
            command = command.replace(theirs, mine)
        answer = subprocess.run(
            ["bash", "-c", command],
            env={"HOME": str(self._home), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=150,
            check=True,
        )
        body, _, status = answer.stdout.rpartition("\n")
        return int(status), json.loads(body)

    def ask(self, method: str, path: str) -> tuple[int, Any]:
        return self(f'curl -X {method} "http://vnc-api.example.com/api/v1/{path}" -H "X-User-Token: your-token-here"')

    def send(self, method: str, path: str, body: dict[str, str]) -> tuple[int, Any]:
        address = f"http://vnc-api.example.com/api/v1/{path}"
        token = '-H "X-User-Token: your-token-here"' if path != "auth/token" else ""
        return self(f"curl -X {method} {address} {token} -H 'Content-Type: application/json' -d '{json.dumps(body)}'")

    def fill_homes(self, files: int) -> None:
        """Create files, so that deleting the homes takes a moment."""
        for home in (self._portal.data / "local/volumes").glob("[!.]*"):
            (home / "many").mkdir()
            for number in range(files):
                (home / "many" / str(number)).touch()


@pytest.fixture
def shell() -> Iterator[Shell]:
    # Not pytest's own folder, which the account that runs desktops cannot enter.
    with tempfile.TemporaryDirectory(prefix="podesk-api-", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o755)
        with running(Path(made) / "data") as portal:
            yield Shell(portal, Path(made))


def test_the_life_of_a_desktop_by_curl(shell):
    status, created = shell(CREATE)
    assert (status, created["status"]) == (202, "created")
    assert created["desktop"]["resource_quota"] == {"cpu": "2", "memory": "4Gi", "storage": "5Gi"}
    shell.pod = created["pod_name"]

    status, ready = shell.ask("POST", "pods/create?wait=120")
    assert (status, ready["status"], ready["desktop"]["status"]) == (200, "exists", "running")
    status, body = shell(STATUS)
    assert (status, body["pod_name"], body["status"]) == (200, shell.pod, "running")
    assert body["access_info"]["vnc_websocket"] == ready["access_info"]["vnc_websocket"]

    status, body = shell(LOGS)
    assert (status, body["pod_name"]) == (200, shell.pod)
    assert body["logs"].strip()
    status, body = shell.ask("GET", f"pods/{shell.pod}/metrics")
    assert status == 200
    assert body["metrics"]["memory_mib"] > 1

    status, body = shell.ask("POST", f"pods/{shell.pod}/restart?wait=120")
    assert (status, body["desktop"]["status"]) == (200, "running")
    status, body = shell.ask("POST", f"pods/{shell.pod}/stop?wait=60")
    assert (status, body["desktop"]["status"]) == (200, "stopped")
    assert shell.ask("POST", f"pods/{shell.pod}/extend")[1]["slug"] == "not_running"

    assert shell(DELETE) == (202, {"status": "deleted", "pod_name": shell.pod, "backup_task": None})
    assert shell.ask("DELETE", f"pods/{shell.pod}?wait=60")[0] in (200, 404)  # 404 if the deletion was quick
    status, body = shell(STATUS)
    assert (status, body["slug"]) == (404, "not_found")

    status, again = shell.ask("POST", "pods/create?wait=120")
    assert (status, again["status"], again["desktop"]["status"]) == (200, "created", "running")
    assert again["pod_name"] != shell.pod
    status, body = shell.ask("DELETE", f"pods/{again['pod_name']}?keep_data=false&wait=60")
    assert (status, body["status"]) == (200, "deleted")


def test_nothing_is_left_when_a_delete_says_so(shell):
    whole = shell.token
    for number in range(3):
        name, password = f"guest{number}", "Umbrella-stand-7"
        status, guest = shell.send("POST", "admin/users", {"username": name, "password": password})
        assert status == 201, guest
        shell.token = shell.send("POST", "auth/token", {"username": name, "password": password})[1]["token"]
        shell.pod = shell.ask("POST", "pods/create?wait=120")[1]["pod_name"]
        shell.fill_homes(files=5_000)
        assert shell.ask("DELETE", f"pods/{shell.pod}?keep_data=false&wait=60")[0] == 200
        used = {line["key"]: line["used"] for line in shell.ask("GET", "quota")[1]["results"]}
        shell.token = whole
        assert (used["storage_gib"], used["desktops"]) == (0, 0)
        assert shell.ask("DELETE", f"admin/users/{guest['id']}")[0] == 200
