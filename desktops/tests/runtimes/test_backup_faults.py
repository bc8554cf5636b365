"""What can go wrong with backups, with real restic: kills, full or missing storage, damage, and tasks at once."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress

import psutil
import pytest

from desktops.runtimes import backups as package
from desktops.runtimes.backups import contents, task_files
from desktops.runtimes.backups.base import ObservedTask, RepositoryAccess, Retention, TaskKind, TaskState
from desktops.runtimes.backups.restic import Restic, snapshot_ids
from desktops.runtimes.base import RuntimeFault
from desktops.runtimes.local import unix_account
from desktops.runtimes.local.backup_engine import LocalBackupEngine
from desktops.runtimes.local.launcher import CODE
from desktops.tests.support.backup_tasks import BackupHarness, tree
from desktops.tests.support.runtime_specs import soon, until

LARGE = 64 << 20  # bytes; restic is busy with it for a while


def snapshots(backups: BackupHarness) -> tuple[str, ...]:
    return snapshot_ids(Restic(backups.access))


def kill(backups: BackupHarness, task_id: str) -> None:
    """Kill the process of a task as the kernel would if memory ran out. restic must end with it."""
    [process] = backups.processes(task_id, "python")
    process.kill()
    until(lambda: not backups.processes(task_id, ""), what="the end of all its processes")


def failed(seen: ObservedTask, reason: str) -> bool:
    assert (seen.state, seen.reason) == (TaskState.FAILED, reason), seen
    return True


def test_backup_killed_in_the_middle(backups):
    backups.write("first")
    first = backups.back_up()
    backups.write("large", os.urandom(LARGE))
    task = backups.begin(TaskKind.BACKUP)
    backups.suspended(task, "backup")
    kill(backups, task)
    assert failed(backups.ended(task), "interrupted")
    assert backups.locks()
    assert snapshots(backups) == (first,)
    assert backups.succeed(TaskKind.BACKUP).files_new == 1
    assert backups.locks() == []
    backups.succeed(TaskKind.VERIFY)


def test_removal_of_snapshots_killed_in_the_middle(backups):
    """The lock of a removal is exclusive. It must not keep out the next task until restic calls it stale."""
    for content in (b"1", b"2"):
        backups.write("file", content)
        last = backups.back_up()
    task = backups.begin(TaskKind.FORGET, retention=Retention(1, 1, 0, 0))
    backups.suspended(task, "prune")
    kill(backups, task)
    assert failed(backups.ended(task), "interrupted")
    assert backups.locks()
    backups.back_up()
    backups.succeed(TaskKind.RESTORE, snapshot=last)
    assert (backups.home / "file").read_bytes() == b"2"


def test_restore_killed_before_the_exchange(backups):
    backups.write("large", os.urandom(LARGE))
    snapshot = backups.back_up()
    backups.write("newer")
    before = tree(backups.home)
    task = backups.begin(TaskKind.RESTORE, snapshot=snapshot)
    backups.suspended(task, "restore")
    kill(backups, task)
    assert failed(backups.ended(task), "interrupted")
    assert tree(backups.home) == before
    backups.succeed(TaskKind.RESTORE, snapshot=snapshot)
    assert set(tree(backups.home)) == {"large"}


def test_a_task_that_is_removed_while_it_runs(backups):
    backups.write("large", os.urandom(LARGE))
    task = backups.begin(TaskKind.BACKUP)
    backups.suspended(task, "backup")
    backups.engine.remove(task, deadline=soon())
    assert backups.processes(task, "") == []
    assert backups.engine.observe() == []
    backups.back_up()


def test_sigterm_ends_a_task_with_a_result(backups):
    backups.write("large", os.urandom(LARGE))
    task = backups.begin(TaskKind.BACKUP)
    backups.suspended(task, "backup")
    backups.runner(task).send_signal(signal.SIGTERM)
    assert failed(backups.ended(task), "interrupted")
    assert backups.seen(task).detail == "SIGTERM"
    assert backups.processes(task, "") == []


def on_small_disk(backups: BackupHarness, folder: str, kind: TaskKind, **changes: object) -> ObservedTask:
    """Run the program of a task in a mount namespace where this folder is a disk of 8 MiB with the same content."""
    files = {name: backups.folder / name for name in ("TASK", "RESULT", "disk")}
    files["disk"].mkdir()
    task = backups.task(kind, **changes)
    files["TASK"].write_bytes(task_files.write_task(task, str(backups.home)))
    mount = 'mount -t tmpfs -o size=8m none "$1" && cp -a "$2/." "$1/" && mount --move "$1" "$2"'
    script = f'{mount} && cd "$3" && shift 3 && "$@"'
    program = [sys.executable, "-m", f"{package.__name__}.run", files["TASK"], files["RESULT"]]
    unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--user", "--map-root-user"]
    arguments = [files["disk"], folder, CODE, *program]
    subprocess.run([*unshare, "sh", "-c", script, "sh", *arguments], check=False, timeout=120)
    return task_files.read_result(task.id, files["RESULT"].read_bytes())


def test_full_repository(backups):
    backups.write("first")
    first = backups.back_up()
    backups.write("large", os.urandom(12 << 20))
    assert failed(on_small_disk(backups, str(backups.store), TaskKind.BACKUP), "repository_full")
    assert snapshots(backups) == (first,)
    backups.back_up()


def test_no_room_for_a_restore(backups):
    large = backups.write("large", os.urandom(5 << 20))
    snapshot = backups.back_up()
    before = tree(backups.home)
    seen = on_small_disk(backups, str(backups.home), TaskKind.RESTORE, snapshot=snapshot)
    assert failed(seen, "no_room")
    assert tree(backups.home) == before
    assert large.stat().st_size == 5 << 20


def test_unreachable_server(backups):
    backups.write("file")
    backups.access = RepositoryAccess("rest:http://127.0.0.1:9/homes/1", "a password")
    assert failed(backups.run(TaskKind.BACKUP), "repository_unreachable")


def test_missing_disk_is_not_replaced_by_an_empty_repository(backups):
    backups.write("file")
    backups.back_up()
    backups.store.rename(backups.folder / "unplugged")
    backups.store.mkdir(mode=0o700)  # the mount point
    backups.account.own(backups.store)
    for kind in (TaskKind.BACKUP, TaskKind.VERIFY, TaskKind.FORGET):
        assert failed(backups.run(kind), "repository_unreachable")
    assert list(backups.store.iterdir()) == []


@pytest.mark.parametrize("kind", [TaskKind.BACKUP, TaskKind.RESTORE, TaskKind.VERIFY, TaskKind.FORGET])
def test_wrong_password(backups, kind):
    backups.write("file")
    snapshot = backups.back_up()
    backups.access = dataclasses.replace(backups.access, password="of somebody else")
    assert failed(backups.run(kind, snapshot=snapshot), "wrong_password")
    with pytest.raises(RuntimeFault, match="wrong_password"):
        contents.entries(backups.access, snapshot)


def test_one_byte_of_a_pack_flipped(backups):
    backups.write("file", os.urandom(1 << 20))
    snapshot = backups.back_up()
    before = tree(backups.home)
    pack = max((path for path in backups.store.glob("homes/1/data/*/*")), key=lambda path: path.stat().st_size)
    content = bytearray(pack.read_bytes())
    content[len(content) // 2] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(content)
    assert failed(backups.run(TaskKind.VERIFY), "repository_damaged")
    assert failed(backups.run(TaskKind.RESTORE, snapshot=snapshot), "repository_damaged")
    assert tree(backups.home) == before
    with pytest.raises(RuntimeFault, match="repository_damaged"):
        list(contents.stream(backups.access, snapshot, "file"))


def test_home_folder_deleted_during_a_backup(backups):
    backups.write("large", os.urandom(LARGE))
    backups.write("more/file")
    task = backups.begin(TaskKind.BACKUP)
    restic = backups.suspended(task, "backup")
    unix_account.remove_home(backups.home, soon())
    restic.resume()
    assert failed(backups.ended(task), "volume_gone")
    assert snapshots(backups) == ()


def test_home_folder_that_is_gone(backups):
    backups.home.rmdir()
    for kind in (TaskKind.BACKUP, TaskKind.RESTORE):
        with pytest.raises(RuntimeFault, match="volume_gone"):
            backups.begin(kind)


def test_two_tasks_at_once(backups):
    backups.write("file")
    tasks = [backups.begin(TaskKind.BACKUP) for _ in range(2)]
    results = [backups.ended(task).result for task in tasks]
    assert {result.snapshot for result in results if result} == set(snapshots(backups))
    assert len(snapshots(backups)) == 2
    backups.succeed(TaskKind.VERIFY)


def test_many_small_files(backups):
    """The measurement with a million is `python -m bench.backup`."""
    for number in range(3000):
        path = backups.home / f"{number % 50}" / f"{number}"
        path.parent.mkdir(exist_ok=True)
        path.write_text(str(number))
    backups.own()
    before = tree(backups.home)
    saved = backups.succeed(TaskKind.BACKUP)
    assert saved.files_new == 3000
    assert len(contents.entries(backups.access, saved.snapshot)) == 50
    backups.succeed(TaskKind.RESTORE, snapshot=saved.snapshot)
    assert tree(backups.home) == before


def test_files_that_cannot_be_read(backups):
    backups.write("readable")
    for name in ("file", "folder/file"):
        backups.write(name)
    if backups.account.switch:
        os.chown(backups.home / "file", 0, 0)  # of root
    (backups.home / "file").chmod(0o000)
    (backups.home / "folder").chmod(0o000)
    saved = backups.succeed(TaskKind.BACKUP)
    assert saved.files_unread == 2
    assert saved.files_new == 1


def test_restic_missing(backups, monkeypatch):
    engine = LocalBackupEngine(backups.root, repository=str(backups.store), path=str(backups.folder))
    with pytest.raises(RuntimeFault, match="restic_missing"):
        engine.begin(backups.task(TaskKind.BACKUP), deadline=soon())
    assert engine.observe() == []
    monkeypatch.setenv("PATH", str(backups.folder))
    with pytest.raises(RuntimeFault, match="restic_missing"):
        contents.entries(backups.access, "0123456789abcdef")


def test_a_download_that_is_given_up_ends_restic(backups):
    backups.write("large", os.urandom(LARGE))
    snapshot = backups.back_up()
    stream = contents.stream(backups.access, snapshot, "large")
    assert len(next(stream)) > 0
    stream.close()
    assert not [each for each in psutil.process_iter() if snapshot in _command(each)]


def _command(process: psutil.Process) -> list[str]:
    with suppress(psutil.NoSuchProcess):
        return process.cmdline()
    return []


def test_result_fits_in_a_termination_message():
    long = ObservedTask("1", TaskState.FAILED, reason="backup_failed", detail="ü" * 5000)
    text = task_files.write_result(long)
    assert len(text) <= task_files.MOST_BYTES
    assert json.loads(text)["reason"] == "backup_failed"
    assert failed(task_files.read_result("1", text[:-5]), "interrupted")
