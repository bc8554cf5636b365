"""Downloads of files from backups on a real server: whole, limited in number, and ended with the login."""

from collections.abc import Callable, Iterator
from threading import Timer

import httpx
import psutil
import pytest
from django.test import Client

from accounts import revocation, user_services
from accounts.audit import Actor
from accounts.models import AuditEvent
from accounts.tokens import TokenScope, issue, verify
from desktops.models import Backup, BackupTask
from desktops.tests.support.portal_server import Server, running
from tests.support import home_backups
from tests.support.home_backups import FILES, LARGE
from tests.support.running_podesk import wait_for

pytestmark = pytest.mark.usefixtures("committed")
CUT = (httpx.RemoteProtocolError, httpx.ReadError)


@pytest.fixture(scope="module")
def server(tmp_path_factory, stored_backup, django_db_setup) -> Iterator[Server]:
    known = {"BACKUP_REPOSITORY": str(stored_backup.location), "BACKUP_KEY": home_backups.KEY}
    short = {"PROXY_WRITE_TIMEOUT": "2", "PROXY_RECHECK_SECONDS": "1", "API_DOWNLOADS": "2"}
    with running(tmp_path_factory.mktemp("downloads"), **known, **short) as started:
        yield started


@pytest.fixture
def backup(alice, make_desktop, make_backup) -> Backup:
    return make_backup(make_desktop(alice).volume)


class Download:
    """A download that reads as much as it is asked to."""

    def __init__(self, server: Server, path: str, **options: str) -> None:
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=20, **options)
        self.answer = self._http.send(self._http.build_request("GET", path), stream=True)
        self._parts = self.answer.iter_bytes(65536)

    def first(self) -> bytes:
        return next(self._parts)

    def rest(self) -> int:
        return sum(map(len, self._parts))

    def close(self) -> None:
        self.answer.close()
        self._http.close()


@pytest.fixture
def download(server, backup, alice) -> Iterator[Callable[..., Download]]:
    """Return a function that begins a download from alice's backup, with the API or as her browser."""
    begun: list[Download] = []
    tokens: list[str] = []

    def begin(name: str, *, browser: Client | None = None) -> Download:
        if browser:
            cookies = {"cookies": {"sessionid": browser.cookies["sessionid"].value}}
            begun.append(Download(server, f"/backups/{backup.pk}/file/?path={name}", **cookies))
        else:
            if not tokens:
                tokens.append(issue(alice, scope=TokenScope("script", permissions=("ssh",))))
            headers = {"headers": {"X-User-Token": tokens[0]}}
            begun.append(Download(server, f"/api/v1/backups/{backup.pk}/file?path={name}", **headers))
        return begun[-1]

    begin.tokens = tokens  # type: ignore[attr-defined]
    yield begin
    for each in begun:
        each.close()


def restic_processes(server: Server) -> list[psutil.Process]:
    return [each for each in psutil.Process(server.process.pid).children() if "restic" in each.name()]


@pytest.mark.parametrize("as_browser", [False, True])
def test_a_file_as_it_was_and_never_shown_by_the_browser(as_browser, download, client_for, alice, backup):
    browser = client_for(alice) if as_browser else None
    answer = download("page.html", browser=browser).answer
    assert answer.status_code == 200
    assert answer.read() == FILES[b"page.html"]
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="page.html"')
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    event = AuditEvent.objects.get(action="backup.download")
    assert (event.actor, event.target, event.result) == (alice, str(backup.pk), "done")
    assert event.details == {"path": "page.html", "size": len(FILES[b"page.html"])}


def test_odd_name(download):
    answer = download("%25E6%258A%25A5%25E5%2591%258A%20%25221%2522.txt").answer
    assert answer.read() == b"report"
    assert answer.headers["Content-Disposition"].endswith("filename*=UTF-8''%E6%8A%A5%E5%91%8A%20%221%22.txt")


def test_large_file_is_never_whole_in_memory(download, server):
    before = server.memory
    begun = download("large")
    assert begun.answer.headers["Content-Length"] == str(LARGE)
    read = len(begun.first())
    for _ in range(LARGE // 65536 // 2):
        read += len(begun.first())
    assert server.memory - before < LARGE / 3
    assert read + begun.rest() == LARGE


@pytest.mark.parametrize("name", ["missing", "docs", "to-notes", "../secret", "", "docs/../notes.txt", "%2500"])
def test_what_is_no_file_in_it(download, name):
    assert download(name).answer.status_code == 404
    assert not AuditEvent.objects.filter(action="backup.download", result="done").exists()


def revoke(tokens, alice, browser) -> None:
    revocation.revoke_token(verify(tokens[0]).jti, reason="revoked")


def disable(tokens, alice, browser) -> None:
    admin = type(alice).objects.create_superuser("root")
    user_services.change_user(user=alice, fields={"is_active": False}, by=Actor(admin))


def sign_out(tokens, alice, browser) -> None:
    browser.post("/accounts/logout/")


@pytest.mark.parametrize(("end", "as_browser"), [(revoke, False), (disable, False), (disable, True), (sign_out, True)])
def test_ends_with_the_access(end, as_browser, download, client_for, alice, server):
    browser = client_for(alice) if as_browser else None
    begun = download("large", browser=browser)
    begun.first()
    end(download.tokens, alice, browser)
    wait_for(lambda: not restic_processes(server), 10)
    with pytest.raises(CUT):
        begun.rest()


def test_ends_without_redis(download, alice, client_for, server, redis_unavailable):
    begun = download("large")
    begun.first()
    with redis_unavailable():
        revoke(download.tokens, alice, None)
        wait_for(lambda: not restic_processes(server), 15)
    with pytest.raises(CUT):
        begun.rest()


def test_a_client_that_does_not_read_is_left(download, server):
    begun = download("large")
    begun.first()
    wait_for(lambda: not restic_processes(server), 15)
    with pytest.raises(CUT):
        begun.rest()


def test_a_client_that_leaves_ends_the_process(download, server):
    begun = download("large")
    begun.first()
    assert restic_processes(server)
    begun.close()
    wait_for(lambda: not restic_processes(server), 10)


def test_limited_in_number(download, server):
    open_ones = [download("large") for _ in range(2)]
    refused = download("notes.txt").answer
    assert refused.status_code == 429
    assert b"too_many_downloads" in refused.read()
    for each in open_ones:
        each.close()
    wait_for(lambda: not restic_processes(server), 10)
    wait_for(lambda: download("notes.txt").answer.status_code == 200, 10)


def test_waiting_for_a_task_ends_with_it(server, backup, alice, ask):
    task = BackupTask.objects.create(repository=backup.repository, kind="backup", trigger="request", status="running")
    token = issue(alice, scope=TokenScope("script"))
    assert ask(server, f"backup-tasks/{task.pk}?wait=1", token).json()["status"] == "running"
    Timer(1, lambda: BackupTask.objects.filter(pk=task.pk).update(status="succeeded")).start()
    assert ask(server, f"backup-tasks/{task.pk}?wait=15", token).json()["status"] == "succeeded"
