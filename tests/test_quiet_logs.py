"""Normal use leaves no warning in the logs, so the search in docs/operations.md finds only what needs attention."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.support.page_client import Visitor
from tests.support.running_podesk import Portal, running, wait_for

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def portal() -> Iterator[Portal]:
    with tempfile.TemporaryDirectory(prefix="podesk-quiet-", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o755)  # the account that runs desktops must be able to enter it
        with running(Path(made) / "data", LOG_FORMAT="json") as started:
            yield started


def status(portal: Portal) -> str | None:
    rows = portal.query("SELECT status FROM desktops_desktop")
    return rows[0][0] if rows else None


def complaints(portal: Portal) -> list[str]:
    """Return the findings of the documented search in the logs of the portal's own parts."""
    lines = [line for log in portal.data.glob("logs/*.log") for line in log.read_text().splitlines()]
    of_ours = [json.loads(line) for line in lines if line.startswith("{")]
    return [f"{each['event']} {each}" for each in of_ours if each.get("level") in ("warning", "error", "critical")]


def test_a_desktops_life_from_launch_to_deletion(portal):
    person = Visitor(portal.url)
    person.sign_in("admin", portal.password)
    desktop = person.launch()
    wait_for(lambda: status(portal) == "running", 120)
    person.act(desktop, "restart")
    wait_for(lambda: portal.query("SELECT run, status FROM desktops_desktop") == [(2, "running")], 120)
    person.act(desktop, "stop")
    wait_for(lambda: status(portal) == "stopped", 120)
    person.act(desktop, "start")
    wait_for(lambda: status(portal) == "running", 120)
    person.act(desktop, "delete", home_folder="delete")
    wait_for(lambda: status(portal) is None, 120)
    wait_for(lambda: not portal.query("SELECT id FROM desktops_volume"), 120)
    assert "leftovers_removed" in "".join(log.read_text() for log in portal.data.glob("logs/worker.log"))
    assert complaints(portal) == []


def test_ordinary_refusals(portal):
    person = httpx.Client(base_url=portal.url)
    assert person.get("/no-such-page/").status_code == 404
    assert person.get("/api/v1/pods").status_code in (401, 404)
    assert person.get("/api/v1/pods/none").status_code == 401
    assert person.post("/api/v1/auth/token", json={"username": "admin", "password": "wrong"}).status_code == 401
    for path in ("/ws/status/", "/ws/desktops/11111111-1111-1111-1111-111111111111/vnc", "/ws/nothing"):
        with pytest.raises(InvalidStatus), connect(portal.url.replace("http", "ws", 1) + path):
            pass
    assert "stream_refused" in "".join(log.read_text() for log in portal.data.glob("logs/web.log"))
    assert complaints(portal) == []
