"""Home folders in repositories on servers, with real restic: SFTP by OpenSSH, and S3.

A REST server is used in test_kubernetes_backups.py.
"""

import dataclasses
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from desktops.runtimes.backups import contents
from desktops.runtimes.backups.base import RepositoryAccess, Retention, TaskKind, TaskState
from desktops.runtimes.base import RuntimeFault
from desktops.runtimes.local.backup_engine import LocalBackupEngine
from desktops.tests.support.backup_tasks import BackupHarness, tree
from desktops.tests.support.runtime_specs import ACCOUNT, until
from tests.support import repository_servers
from tests.support.repository_servers import RepositoryServer, needs_sshd


def use(backups: BackupHarness, server: RepositoryServer) -> BackupHarness:
    backups.engine = LocalBackupEngine(backups.root, repository=server.location, user=ACCOUNT)
    backups.access = RepositoryAccess(f"{server.location}/homes/1", "a password", server.environment)
    return backups


@pytest.fixture
def served(backups) -> Path:
    """Return an empty folder for a server, which belongs to the account of desktops."""
    folder = backups.folder / "server"
    folder.mkdir(mode=0o700)
    backups.account.own(folder)
    return folder


@pytest.fixture
def on_s3(backups, served) -> Iterator[BackupHarness]:
    with repository_servers.s3(served) as server:
        yield use(backups, server)


@pytest.fixture
def over_sftp(backups, served) -> Iterator[BackupHarness]:
    with repository_servers.sftp(served, ACCOUNT) as server:
        yield use(backups, server)


@pytest.mark.parametrize("kind", [pytest.param("over_sftp", marks=needs_sshd), "on_s3"])
def test_all_tasks_and_a_download(kind, request):
    backups: BackupHarness = request.getfixturevalue(kind)
    backups.write("report", b"as it was")
    before = tree(backups.home)
    snapshot = backups.back_up()
    backups.write("report", b"overwritten")
    backups.succeed(TaskKind.RESTORE, snapshot=snapshot)
    assert tree(backups.home) == before
    assert backups.succeed(TaskKind.VERIFY).snapshot == snapshot
    assert [entry.name for entry in contents.entries(backups.access, snapshot)] == ["report"]
    assert b"".join(contents.stream(backups.access, snapshot, "report")) == b"as it was"
    newer = backups.back_up()
    assert backups.succeed(TaskKind.FORGET, retention=Retention(0, 1, 0, 0)).snapshots == (newer,)


def reasons(backups: BackupHarness, snapshot: str) -> set[str]:
    """Run each kind of task, and look into the snapshot. Return the reasons of the failures."""
    seen = [backups.run(kind, snapshot=snapshot) for kind in TaskKind]
    assert {task.state for task in seen} == {TaskState.FAILED}
    with pytest.raises(RuntimeFault) as caught:
        contents.entries(backups.access, snapshot)
    return {task.reason for task in seen} | {caught.value.reason}


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_wrong_credentials_of_s3(on_s3, name):
    on_s3.access = dataclasses.replace(on_s3.access, environment=on_s3.access.environment | {name: "wrong"})
    assert on_s3.run(TaskKind.BACKUP).reason == "repository_refused"  # of a new repository
    on_s3.access = dataclasses.replace(on_s3.access, used=True)
    assert reasons(on_s3, "latest") == {"repository_refused"}


@needs_sshd
@pytest.mark.parametrize("missing", ["authorized", "known_hosts"])
def test_sftp_server_that_refuses_the_key_or_is_unknown(over_sftp, served, missing):
    (served / missing).unlink()
    # restic may end before it reports why ssh has ended.
    assert reasons(over_sftp, "latest") <= {"repository_refused", "repository_unreachable"}
    assert not (served / "store").exists()


@pytest.fixture
def agent(over_sftp, served, monkeypatch) -> Iterator[None]:
    """Move the key to an agent of the desktops' account."""
    socket = served / "agent"
    command = ["ssh-agent", "-D", "-a", socket]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, **over_sftp.account.popen()) as process:
        try:
            until(socket.exists, what="the agent")
            monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
            subprocess.run(["ssh-add", "-q", served / "key"], check=True)
            (served / "key").unlink()
            yield
        finally:
            process.terminate()


@needs_sshd
def test_sftp_with_a_key_of_an_ssh_agent(over_sftp, agent):
    over_sftp.write("report")
    snapshot = over_sftp.back_up()
    assert [entry.name for entry in contents.entries(over_sftp.access, snapshot)] == ["report"]


@needs_sshd
def test_ssh_ends_with_a_task_that_is_killed(over_sftp):
    over_sftp.write("large", os.urandom(64 << 20))
    task = over_sftp.begin(TaskKind.BACKUP)
    until(lambda: over_sftp.processes(task, "ssh"), what="ssh", every=0.01)
    [process] = over_sftp.processes(task, "python")
    process.kill()
    until(lambda: not over_sftp.processes(task, ""), what="the end of all its processes")
    assert over_sftp.ended(task).reason == "interrupted"
    over_sftp.back_up()
