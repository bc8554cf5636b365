"""Backups on a real cluster: what a Job saves and restores, how its failures are reported."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from desktops.runtimes.backups.base import RepositoryAccess, TaskKind, TaskSpec, TaskState
from desktops.runtimes.base import Phase, Placement, RuntimeFault
from desktops.runtimes.kubernetes import backup_manifests
from desktops.runtimes.kubernetes.manifests import HOME
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

NEW_VOLUME = "home-new-3f2b8c1d9e4a"
# Every kind of thing in a home folder. `big` takes a slow server long.
_FILL = r"""
mkdir -p 'a folder/ü' closed && echo hello > 'a folder/ü/näme with "quotes"' && printf x > $'odd\nname'
ln -s 'a folder' link && ln -s /nowhere broken && ln 'a folder/ü/näme with "quotes"' hard
truncate -s 50M sparse && echo end >> sparse && mkfifo fifo && echo '#!/bin/sh' > program && chmod 750 program
head -c 8000000 /dev/urandom > big && touch -d '2001-02-03 04:05:06.789' program
"""
# Names, kinds, modes, times and links of all entries, and the content of all files. Folders of a running session apart.
_TREE = r"""
find . -mindepth 1 \( -path './.*' -prune \) -o -printf '%P %y %m %T@ %l %n %s\n' | grep -v '^ ' | sort
find . -type f -not -path './.*' -print0 | sort -z | xargs -0 sha256sum
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[RepositoryServer]:
    with addresses():
        server = RepositoryServer(tmp_path_factory.mktemp("repositories"))
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


class Saved:
    """A home folder that was backed up while its desktop ran. The desktop is stopped now."""

    def __init__(self, desktops: KubeHarness, backups: BackupHarness, access: RepositoryAccess) -> None:
        self.access, self.desktop = access, desktops.run()
        self.volume = self.desktop.volume
        desktops.shell(self.desktop, _FILL)
        self.result = backups.result(TaskKind.BACKUP, access, volume=self.volume)
        self.phase = desktops.wait(self.desktop.name, Phase.READY)
        self.tree = desktops.shell(self.desktop, _TREE)
        desktops.runtime.stop(self.desktop.name, deadline=soon())
        desktops.wait(self.desktop.name, None)


@pytest.fixture(scope="module")
def saved(desktops, backups, server) -> Saved:
    return Saved(desktops, backups, server.access("ada"))


class Looker:
    """A pod that mounts a home folder, to read and change it."""

    def __init__(self, kube: Kube, volume: str) -> None:
        self.kube, self.name = kube, f"look-{volume}"
        container = {
            "name": "main", "image": DESKTOP_IMAGE, "command": ["sleep", "600"], "workingDir": HOME,
            "volumeMounts": [{"name": "home", "mountPath": HOME}],
            "resources": {"limits": {"cpu": "100m", "memory": "64Mi"}},
        }  # fmt: skip
        spec = {
            "containers": [container],
            "volumes": [{"name": "home", "persistentVolumeClaim": {"claimName": volume}}],
            "securityContext": {"runAsUser": 1000, "runAsGroup": 1000},
            "terminationGracePeriodSeconds": 0,
        }
        kube.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": self.name}, "spec": spec})
        kube("wait", "pod", self.name, "--for=condition=Ready", "--timeout=60s")

    def shell(self, command: str) -> str:
        return self.kube.exec(self.name, "bash", "-c", command, check=False)


@pytest.fixture(scope="module")
def home(kube, saved) -> Looker:
    return Looker(kube, saved.volume)


def restore(saved: Saved, **more: Any) -> dict[str, Any]:
    return {"repository": saved.access, "snapshot": saved.result.snapshot, "volume": saved.volume} | more


def test_a_running_desktop_is_backed_up_and_goes_on(saved):
    assert saved.phase.phase is Phase.READY
    assert saved.result.snapshot
    assert saved.result.files_new >= 6
    assert saved.result.size > 50_000_000  # the sparse file too
    assert saved.tree.count("\n") > 15


def test_a_restore_that_is_killed_in_the_middle_changes_nothing(backups, saved, home, server, tmp_path_factory):
    folder = next(tmp_path_factory.getbasetemp().glob("repositories*"))
    slow = RepositoryServer(folder, "--bwlimit", "300k")
    home.shell("rm -r 'a folder' link; echo changed > big; echo new > later; chmod 600 program")
    before = home.shell(_TREE)
    assert before != saved.tree
    access = replace(saved.access, location=slow.access("ada").location)
    task = backups.begin(backups.task(TaskKind.RESTORE, **restore(saved, repository=access)))
    for _ in range(2):  # the cluster starts another pod after the first, which begins again
        until(lambda: home.shell("ls .podesk-restore*/new"), what="files of the restore", every=0.1)
        backups.kube("delete", "pod", backups.pod_of(task), "--grace-period=0", "--force", "--wait=false")
        assert home.shell(_TREE) == before
    backups.remove(task)
    slow.close()
    assert home.shell(_TREE) == before


def test_restored_byte_for_byte_into_the_stopped_desktop(backups, saved, home):
    """What the killed restore left is no obstacle, its lock included."""
    backups.result(TaskKind.RESTORE, **restore(saved))
    assert home.shell(_TREE) == saved.tree
    assert home.shell("ls -d .podesk-restore*") == ""


@pytest.fixture(scope="module")
def together(backups, server, saved) -> dict[str, TaskSpec]:
    """Begin tasks of three repositories at once."""
    new = restore(saved, volume=NEW_VOLUME, new_volume=backups.new_volume())
    wrong = replace(saved.access, password="another")
    nowhere = RepositoryAccess(f"rest:http://{SERVER}:1/homes/x", "s3cret")
    return {
        "new volume": backups.begin(backups.task(TaskKind.RESTORE, **new)),
        "wrong password": backups.begin(backups.task(TaskKind.BACKUP, wrong, volume=saved.volume)),
        "unreachable": backups.begin(backups.task(TaskKind.BACKUP, nowhere, volume=saved.volume)),
    }


def test_restored_into_a_new_volume(backups, kube, saved, together):
    assert backups.ended(together["new volume"]).state is TaskState.SUCCEEDED
    assert kube.get("pvc", NEW_VOLUME)["metadata"]["labels"]["podesk/owner"] == "1"
    assert Looker(kube, NEW_VOLUME).shell(_TREE) == saved.tree


def test_verified_without_a_home_folder(backups, saved):
    backups.result(TaskKind.VERIFY, saved.access)


# --- failures ---


@pytest.mark.parametrize(
    ("name", "reason"), [("wrong password", "wrong_password"), ("unreachable", "repository_unreachable")]
)
def test_a_repository_that_cannot_be_opened(backups, together, name, reason):
    seen = backups.ended(together[name])
    assert (seen.state, seen.reason) == (TaskState.FAILED, reason)


def test_a_home_folder_that_does_not_exist(backups, server):
    task = backups.task(TaskKind.BACKUP, server.access(), volume="home-gone")
    with pytest.raises(RuntimeFault, match="volume_gone"):
        backups.begin(task)
    assert backups.objects(task) == set()


def test_a_home_folder_that_is_deleted_before_its_job_starts(backups, kube, server):
    task = backups.task(TaskKind.BACKUP, server.access(), volume="home-gone")
    settings = backups.worker.settings
    kube.apply(backup_manifests.secret(task, backups.cluster), backup_manifests.job(task, backups.cluster, settings))
    seen = backups.ended(task)
    assert (seen.state, seen.reason) == (TaskState.FAILED, "volume_gone")


def test_what_the_cluster_refuses(backups, server):
    bad = Placement(node_selector={"not a label": "x"})
    task = backups.task(TaskKind.RESTORE, server.access(), volume="home-x", new_volume=backups.new_volume())
    with pytest.raises(RuntimeFault, match="cluster_refused"):
        backups.begin(replace(task, placement=bad))
    backups.remove(task)
    assert backups.objects(task) == set()


# --- the objects of a task ---


@pytest.fixture(scope="module")
def silent(server) -> Iterator[str]:
    """Return the address of a server that never answers."""
    with silent_server() as port:
        yield f"{SERVER}:{port}"


@pytest.fixture(scope="module")
def waiting(backups, saved, silent) -> Iterator[TaskSpec]:
    with a_waiting_task(backups, TaskKind.BACKUP, silent, volume=saved.volume) as task:
        yield task


def test_another_installation_s_tasks_are_neither_seen_nor_removed(backups, kube, waiting):
    other = BackupHarness(kube, "another")
    assert other.controller.observe() == []
    other.remove(waiting)
    assert backups.seen(waiting).state is TaskState.RUNNING


def test_tasks_are_not_taken_for_desktops(desktops, waiting):
    assert [each.name for each in desktops.runtime.list() if "backup" in each.name] == []


def test_its_pod_holds_no_key_to_the_cluster_and_may_do_nothing_as_root(backups, kube, waiting):
    pod = backups.pod_of(waiting)
    assert "No such file" in kube.run("exec", pod, "--", "ls", "/var/run/secrets/kubernetes.io", check=False).stderr
    assert "s3cret" not in kube.exec(pod, "env")
    status = kube.exec(pod, "cat", "/proc/1/status")
    assert "Uid:\t1000\t1000\t1000\t1000" in status
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status
    for file in ("/etc/x", f"{HOME}/x"):
        assert "Read-only" in kube.run("exec", pod, "--", "touch", file, check=False).stderr


def test_begun_again_it_runs_once_and_a_lost_secret_gets_its_owner(backups, kube, waiting):
    kube("delete", "secret", f"backup-{waiting.id}")  # as if the worker had been killed before it made the owner
    backups.begin(waiting)
    backups.begin(waiting)
    [secret] = kube.list("secrets", f"podesk/task={waiting.id}")
    assert [owner["kind"] for owner in secret["metadata"]["ownerReferences"]] == ["Job"]
    assert len(kube.list("jobs", f"podesk/task={waiting.id}")) == 1


def test_nothing_is_left_after_the_end(backups, waiting):
    until(lambda: backups.objects(waiting) == {"Job", "Pod", "Secret", "NetworkPolicy"}, what="all objects", every=0.2)
    backups.remove(waiting)
    until(lambda: not backups.objects(waiting), what="everything to be gone", every=0.2)
    assert backups.seen(waiting) is None
    backups.remove(waiting)


def test_a_job_that_somebody_deletes_takes_everything_along(backups, kube, saved, silent):
    with a_waiting_task(backups, TaskKind.BACKUP, silent, volume=saved.volume) as task:
        kube("delete", "job", f"backup-{task.id}", "--wait=false")
        until(lambda: not backups.objects(task), what="everything to be gone", every=0.2)
        assert backups.seen(task) is None
