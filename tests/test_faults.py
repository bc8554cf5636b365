"""All of Podesk recovers when one of its parts is killed. The tests also check what the user sees."""

import signal
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from redis import Redis

from tests.support.page_client import Visitor
from tests.support.running_podesk import Portal, running, wait_for

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def portal() -> Iterator[Portal]:
    with tempfile.TemporaryDirectory(prefix="podesk-faults-", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o755)  # the account that runs desktops must be able to enter it
        with running(Path(made) / "data", ORPHAN_GRACE="5") as started:
            yield started


@pytest.fixture(scope="module")
def person(portal) -> Visitor:
    visitor = Visitor(portal.url)
    visitor.sign_in("admin", portal.password)
    return visitor


@pytest.fixture
def desktop(person, portal) -> Iterator[str]:
    """Yield a running desktop, and delete it with its files afterwards."""
    with launched(person, portal) as identity:
        becomes(portal, "running")
        yield identity


@contextmanager
def launched(person: Visitor, portal: Portal) -> Iterator[str]:
    identity = person.launch()
    try:
        yield identity
    finally:
        person.act(identity, "delete", home_folder="delete")
        becomes(portal, None)


def becomes(portal: Portal, wanted: str | None, seconds: float = 120) -> None:
    """Wait for a status. The limit is long, because other work may run on the machine."""
    until = time.monotonic() + seconds
    while (found := status(portal)) != wanted:
        assert time.monotonic() < until, (
            f"{found}, not {wanted}\n{portal.printed[-2000:]}\n{worker_log(portal)[-4000:]}"
        )
        time.sleep(0.1)


def worker_log(portal: Portal) -> str:
    return "".join(log.read_text() for log in portal.data.rglob("worker.log"))[-4000:]


def status(portal: Portal) -> str | None:
    rows = portal.query("SELECT status FROM desktops_desktop")
    return rows[0][0] if rows else None


def reason(portal: Portal) -> str:
    return portal.query("SELECT reason FROM desktops_desktop")[0][0]


def servers(portal: Portal) -> list[psutil.Process]:
    """Return the X servers of this portal's desktops."""
    found = []
    for process in psutil.process_iter(["name", "cmdline"]):
        if process.info["name"] == "Xvnc" and str(portal.data) in " ".join(process.info["cmdline"] or []):
            found.append(process)
    return found


def test_fifty_clicks_at_once_make_one_desktop(person, portal):
    choice = person.launch_choice()
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: person.post("/desktops/launch/", **choice), range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({str(answer.url) for answer in answers}) == 1
    becomes(portal, "running")
    assert len(servers(portal)) == 1
    person.act(str(answers[0].url).split("/")[4], "delete", home_folder="delete")
    becomes(portal, None)


def test_worker_killed_in_mid_job(person, portal):
    """The worker is killed before it takes the job, during it, or just after it."""
    for milliseconds in (0, 40, 120):
        wait_for(lambda: portal.part("rqworker"))
        with launched(person, portal):
            time.sleep(milliseconds / 1000)
            portal.kill("rqworker")
            becomes(portal, "running")
            assert len(servers(portal)) == 1


def test_controller_killed(person, portal, desktop):
    portal.kill("run_controller")
    person.act(desktop, "stop")
    assert status(portal) == "stopping"
    becomes(portal, "stopped")


def test_page_reports_a_missing_controller(person, portal, desktop):
    controller = portal.part("run_controller")
    assert controller
    controller.send_signal(signal.SIGSTOP)
    person.act(desktop, "stop")
    try:
        wait_for(lambda: "controller is not running" in person.panel(desktop), 40)
        assert "late" in person.http.get("/readyz").json()["controller"]
        assert person.http.get("/readyz").status_code == 200
    finally:
        controller.send_signal(signal.SIGCONT)
    becomes(portal, "stopped")


def test_redis_comes_back_empty(person, portal, desktop):
    portal.kill("redis-server")
    person.act(desktop, "stop")  # the job is lost with Redis, the row is not
    becomes(portal, "stopped")
    person.act(desktop, "start")
    becomes(portal, "running")


def test_redis_that_is_full(person, portal):
    """When Redis refuses writes, all parts say so, none ends, and all continue afterwards."""
    redis = Redis(unix_socket_path=str(portal.data / "redis/redis.sock"))
    parts = [portal.part(word) for word in ("portal.server", "rqworker", "run_controller")]
    redis.config_set("maxmemory", 1)
    try:
        identity = person.launch()
        assert "refuses writes: its memory is full" in person.panel(identity)
        assert "controller is not running" not in person.panel(identity)
        assert "refuses writes: its memory is full" in person.http.get("/readyz").json()["redis"]
        assert "refuses writes: its memory is full" in person.http.get("/?new").text
        wait_for(lambda: "redis_unavailable" in worker_log(portal))
        time.sleep(8)  # longer than the supervisor waits before it restarts a process
        assert status(portal) == "pending"
    finally:
        redis.config_set("maxmemory", 0)
    becomes(portal, "running")
    assert "refuses writes" not in person.panel(identity)
    assert [portal.part(word) for word in ("portal.server", "rqworker", "run_controller")] == parts
    person.act(identity, "delete", home_folder="delete")
    becomes(portal, None)


def test_screen_killed_from_outside(person, portal, desktop):
    servers(portal)[0].kill()
    wait_for(lambda: reason(portal) == "restarted_screen")
    assert status(portal) == "running"
    panel = person.panel(desktop)
    assert "Started again after a crash" in panel  # in the timeline
    assert "The screen of the desktop crashed and its session was started again" in panel
    assert len(servers(portal)) == 1


def test_session_killed_from_outside(person, portal, desktop):
    servers(portal)[0].parent().kill()  # the holder of the session
    becomes(portal, "failed")
    assert reason(portal) == "session_crashed"
    assert "ended unexpectedly" in person.panel(desktop)
    person.act(desktop, "start")
    becomes(portal, "running")


def test_desktops_outlive_the_portal_and_are_adopted(person, portal, desktop):
    before = servers(portal)
    for part in ("portal.server", "rqworker", "run_controller"):
        portal.kill(part)
    wait_for(lambda: all(portal.part(part) for part in ("portal.server", "rqworker", "run_controller")))
    wait_for(portal.ready)
    time.sleep(6)  # longer than a comparison of rows and processes
    assert status(portal) == "running"
    assert servers(portal) == before


def test_process_without_a_row_is_ended(person, portal):
    """The row is missing as after a restored backup, and its session still runs."""
    person.launch()
    becomes(portal, "running")
    with_row = servers(portal)
    assert with_row
    forget_rows(portal)
    wait_for(lambda: not servers(portal), 120)


def forget_rows(portal: Portal) -> None:
    code = "from desktops.models import *; DesktopEvent.objects.all().delete(); Desktop.objects.all().delete()"
    done = portal.manage("shell", "-c", code)
    assert done.returncode == 0, done.stderr
