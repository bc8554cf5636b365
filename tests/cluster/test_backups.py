"""A home folder is backed up, lost, and restored on a cluster, with all processes of the portal."""

import json
from collections.abc import Iterator

import pytest

from desktops.tests.support.backup_jobs import IMAGE, RepositoryServer, addresses
from tests.support.cluster.podesk_outside import Driven, driving
from tests.support.running_podesk import wait_for

pytestmark = pytest.mark.cluster

_ACT = """
from accounts.audit import Actor
from accounts.models import User
from desktops.lifecycle.backups import requests
from desktops.models import Backup, Volume
by = Actor(User.objects.get(username="admin"))
"""
_BACK_UP = f"{_ACT}requests.back_up_now(volume=Volume.objects.get(), by=by)"
_RESTORE = f"{_ACT}requests.restore(backup=Backup.objects.earliest('created_at'), by=by)"
_TASKS = """
import json
from desktops.models import BackupTask
rows = BackupTask.objects.exclude(kind="forget").order_by("created_at")
print(json.dumps(list(rows.values_list("kind", "trigger", "status", "detail"))))
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[RepositoryServer]:
    with addresses():
        server = RepositoryServer(tmp_path_factory.mktemp("repositories"))
        yield server
        server.close()


@pytest.fixture(scope="module")
def driven(kube, server) -> Iterator[Driven]:
    with driving(kube, BACKUP_REPOSITORY=server.location, BACKUP_IMAGE=IMAGE) as made:
        yield made


def until_ended(driven: Driven, *wanted: str) -> None:
    """Wait until exactly these tasks have succeeded, each given as kind and trigger."""

    def there() -> bool:
        rows = json.loads(driven.shell(_TASKS).splitlines()[-1])
        assert not [row for row in rows if row[2] == "failed"], rows
        return [f"{kind} {trigger}" for kind, trigger, status, _ in rows if status == "succeeded"] == list(wanted)

    wait_for(there, 90)


def test_backed_up_while_it_runs_and_restored_when_it_is_stopped(driven):
    desktop = driven.run()
    pod = driven.name(desktop)
    driven.kube.exec(pod, "sh", "-c", "echo precious > kept")
    driven.shell(_BACK_UP)
    until_ended(driven, "backup request")
    driven.kube.exec(pod, "sh", "-c", "rm kept; echo later > new")
    driven.person.act(desktop, "stop")
    driven.wait(desktop, "stopped")
    driven.shell(_RESTORE)
    until_ended(driven, "backup request", "backup before_restore", "restore request")
    driven.person.act(desktop, "start")
    driven.wait(desktop, "running")
    assert driven.kube.exec(pod, "sh", "-c", "cat kept; ls").split("\n")[0] == "precious"
    assert "new" not in driven.kube.exec(pod, "ls").split()
    wait_for(lambda: not driven.kube.list("jobs,secrets", "podesk/backups"), 60)
