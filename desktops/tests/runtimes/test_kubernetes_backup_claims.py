"""A claim of a home folder that is deleted while Jobs use it: they end as if nothing had happened, then it goes."""

from collections.abc import Iterator

import pytest

from desktops.runtimes.backups.base import TaskKind, TaskState
from desktops.runtimes.base import DesktopSpec, RuntimeFault
from desktops.runtimes.kubernetes import backup_manifests
from desktops.tests.support.backup_jobs import (
    SERVER,
    BackupHarness,
    RepositoryServer,
    a_waiting_task,
    addresses,
    silent_server,
)
from desktops.tests.support.kubernetes_namespace import KubeHarness
from desktops.tests.support.runtime_specs import soon, until
from tests.cluster.conftest import IMAGE as DESKTOP_IMAGE
from tests.support.cluster.kubectl import Kube

pytestmark = pytest.mark.cluster


@pytest.fixture
def silent(server) -> Iterator[str]:
    """Return the address of a server that never answers."""
    with silent_server() as port:
        yield f"{SERVER}:{port}"


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[RepositoryServer]:
    """Return a server so slow that a claim can be deleted while a backup is written to it."""
    with addresses():
        server = RepositoryServer(tmp_path_factory.mktemp("repositories"), "--bwlimit", "300k")
        yield server
        server.close()


@pytest.fixture(scope="module")
def desktops(kube) -> Iterator[KubeHarness]:
    harness = KubeHarness(kube, DESKTOP_IMAGE)
    yield harness
    harness.close()


@pytest.fixture(scope="module")
def backups(desktops) -> BackupHarness:
    return BackupHarness(desktops.kube, desktops.installation)


@pytest.fixture
def stopped(desktops) -> DesktopSpec:
    """Return a stopped desktop with three megabytes in its home folder."""
    desktop = desktops.run()
    desktops.shell(desktop, "head -c 3000000 /dev/urandom > big; sync")
    desktops.runtime.stop(desktop.name, deadline=soon())
    desktops.wait(desktop.name, None)
    return desktop


def delete_claim(kube: Kube, volume: str) -> None:
    """Delete the claim as an operator does. It stays until no pod uses it."""
    kube("delete", "pvc", volume, "--wait=false")
    assert kube.get("pvc", volume)["metadata"]["deletionTimestamp"]


def test_a_backup_ends_well_and_then_the_claim_is_gone(backups, kube, server, stopped):
    access = server.access("ada")
    task = backups.begin(backups.task(TaskKind.BACKUP, access, volume=stopped.volume))
    backups.pod_of(task)
    delete_claim(kube, stopped.volume)
    seen = backups.ended(task)
    assert seen.result, seen
    assert seen.result.size >= 3_000_000
    until(lambda: not kube.get("pvc", stopped.volume), what="the end of the claim", every=0.2)
    backups.result(TaskKind.VERIFY, access)


def test_no_other_task_begins_meanwhile(backups, kube, server, silent, stopped):
    with a_waiting_task(backups, TaskKind.BACKUP, silent, volume=stopped.volume) as waiting:
        delete_claim(kube, stopped.volume)
        late = backups.task(TaskKind.BACKUP, server.access(), volume=stopped.volume)
        with pytest.raises(RuntimeFault, match="volume_gone"):
            backups.begin(late)
        settings = backups.worker.settings  # as if the claim had been deleted a moment after the Job was made
        kube.apply(
            backup_manifests.secret(late, backups.cluster), backup_manifests.job(late, backups.cluster, settings)
        )
        seen = backups.ended(late)
        assert (seen.state, seen.reason) == (TaskState.FAILED, "volume_gone")
        assert backups.seen(waiting).state is TaskState.RUNNING


def test_the_portal_waits_for_the_job_too(backups, desktops, kube, silent, stopped):
    with a_waiting_task(backups, TaskKind.BACKUP, silent, volume=stopped.volume):
        with pytest.raises(RuntimeFault) as refused:
            desktops.runtime.delete_volume(stopped.volume, deadline=soon())
        assert not refused.value.permanent
        assert kube.get("pvc", stopped.volume)
    desktops.delete_home(stopped)
    assert kube.get("pvc", stopped.volume) is None
