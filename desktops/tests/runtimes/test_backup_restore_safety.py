"""A restore changes nothing outside the home folder, whatever the owner puts there, and leaves no mixture if killed."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from desktops.runtimes.backups import home_folder, home_swap, landlock
from desktops.runtimes.backups.base import TaskKind, TaskState
from desktops.runtimes.base import RuntimeFault
from desktops.runtimes.local.launcher import CODE
from desktops.tests.support.backup_tasks import BackupHarness, tree
from desktops.tests.support.runtime_specs import soon, until


@pytest.fixture
def outside(backups) -> Path:
    """A folder of the same account, which nothing may change."""
    folder = backups.folder / "outside"
    folder.mkdir(mode=0o700)
    (folder / "report").write_text("of another person")
    for path in (folder, folder / "report"):
        backups.account.own(path)
    return folder


def test_links_in_the_home_folder_are_replaced_and_not_followed(backups, outside):
    backups.write("docs/report", b"mine")
    snapshot = backups.back_up()
    before, theirs = tree(backups.home), tree(outside)
    (backups.home / "docs/report").unlink()
    (backups.home / "docs").rmdir()
    (backups.home / "docs").symlink_to(outside)
    backups.own()
    backups.succeed(TaskKind.RESTORE, snapshot=snapshot)
    assert tree(backups.home).keys() == before.keys()
    assert not (backups.home / "docs").is_symlink()
    assert tree(outside) == theirs


def test_a_link_with_the_name_of_the_new_folder(backups, outside):
    backups.write("docs/report", b"mine")
    snapshot, theirs = backups.back_up(), tree(outside)
    (backups.home / "Restored").symlink_to(outside)
    backups.succeed(TaskKind.RESTORE, snapshot=snapshot, paths=("docs/report",), folder="Restored")
    assert (backups.home / "Restored (2)/docs/report").read_bytes() == b"mine"
    assert tree(outside) == theirs


@pytest.mark.parametrize("folder", ["../outside", "/etc", "a/b", "", ".", ".."])
def test_a_new_folder_is_inside_the_home_folder(backups, outside, folder):
    backups.write("docs/report", b"mine")
    snapshot, theirs = backups.back_up(), tree(outside)
    seen = backups.run(TaskKind.RESTORE, snapshot=snapshot, paths=("docs/report",), folder=folder)
    assert seen.state == TaskState.FAILED
    assert tree(outside) == theirs
    assert set(tree(backups.home)) == {"docs", "docs/report"}


@pytest.mark.parametrize("prepare", [
    lambda name, outside: name.symlink_to(outside),
    lambda name, outside: name.write_text("a file"),
    lambda name, outside: (name.mkdir(), (name / "new").symlink_to(outside), (name / "old").symlink_to(outside)),
    lambda name, outside: (name.mkdir(), (name / "journal").symlink_to(outside / "report")),
    lambda name, outside: (name.mkdir(), (name / "journal").write_text("not JSON")),
    lambda name, outside: (name.mkdir(), (name / "journal").write_text('{"modes": {}, "result": {}}'),
                           (name / "new").symlink_to(outside)),
])  # fmt: skip
def test_a_hidden_folder_that_the_owner_has_made(backups, outside, prepare):
    backups.write("docs/report", b"mine")
    snapshot, theirs = backups.back_up(), tree(outside)
    before = tree(backups.home)
    prepare(backups.home / f"{home_folder.STAGING}x", outside)
    backups.own()
    backups.succeed(TaskKind.RESTORE, snapshot=snapshot)
    assert tree(backups.home) == before
    assert tree(outside) == theirs


def test_folders_that_are_exchanged_for_links_during_a_restore(backups, outside):
    """A program of the owner changes the tree under restic's hands."""
    for number in range(400):
        backups.write(f"d/{number}")
    snapshot, theirs = backups.back_up(), tree(outside)
    stop = threading.Event()
    exchanges = threading.Thread(target=_exchange, args=(backups, outside, stop))
    exchanges.start()
    try:
        backups.run(TaskKind.RESTORE, snapshot=snapshot, paths=("d",), folder="Restored")
    finally:
        stop.set()
        exchanges.join()
    assert tree(outside) == theirs


def _exchange(backups: BackupHarness, outside: Path, stop: threading.Event) -> None:
    while not stop.is_set():
        for folder in backups.home.glob(f"{home_folder.STAGING}*/new/d"):
            with suppress(OSError):
                folder.rename(folder.with_name("moved"))
                folder.symlink_to(outside)


def test_the_kernel_refuses_changes_outside(tmp_path):
    (tmp_path / "home").mkdir()
    program = f"""
import os, pathlib, subprocess
from desktops.runtimes.backups import landlock
assert landlock.confine([{str(tmp_path / "home")!r}, "/dev"])
pathlib.Path({str(tmp_path / "home/file")!r}).write_text("inside")
os.link({str(tmp_path / "home/file")!r}, {str(tmp_path / "home/link")!r})
subprocess.run(["sh", "-c", "echo > file; mkdir folder; ln -s a link; mv home/file moved"], cwd={str(tmp_path)!r})
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=CODE, capture_output=True, text=True, check=True)
    assert done.stderr.count("ermission denied") == 4, done.stderr
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "home", "link"]
    assert landlock.FIRST_VERSION == 2


# --- kills ------------------------------------------------------------------------------------------------------------


def make_exchange(home: Path) -> tuple[dict[str, object], dict[str, object]]:
    """Fill a home folder, and a complete restore that waits for its exchange. Return the old and the new tree."""
    new = home / f"{home_folder.STAGING}1/new"
    (new / "locked").mkdir(parents=True)
    for path, text in ((home / "same", "old"), (home / "only old", "old"), (new / "same", "new"), (new / "new", "new")):
        path.write_text(text)
    (new / "locked/file").write_text("new")
    (home / "folder").mkdir()
    (home / "folder/file").write_text("old")
    for each in (new / "locked", home / "folder"):
        each.chmod(0o500)
    old = {path: facts for path, facts in _contents(home).items() if not path.startswith(home_folder.STAGING)}
    return old, _contents(new)


def _contents(folder: Path) -> dict[str, object]:
    return {path: (facts[1], facts[5:6]) for path, facts in tree(folder).items()}


def in_child(work: Callable[[], object], *, killed_at: int) -> bool:
    """Run this in a child that is killed at its n-th change of a file. Return whether it ended before that."""
    child = os.fork()
    if child == 0:
        left = [killed_at]
        changes = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "open", "subprocess.Popen")

        def count(event: str, _: object) -> None:
            left[0] -= event in changes
            if left[0] == 0:
                left[0] = -1  # the kill is an event, too
                os.kill(os.getpid(), 9)

        try:
            sys.addaudithook(count)
            work()
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -9), status
    return status == 0


def commit(home: Path) -> None:
    with home_folder.opened(str(home)) as opened:
        folder = os.open(f"{home_folder.STAGING}1", home_folder.IN_FOLDER, dir_fd=opened)
        home_swap.commit(opened, "1", folder, {"size": 9})


def recover(home: Path) -> object:
    with home_folder.opened(str(home)) as opened:
        return home_swap.recover(opened, task_id="1")


def test_an_exchange_that_is_killed_at_any_moment(tmp_path):
    """Kill it at each step, and the next task that finishes it at another one. No mixture is left."""
    ended, step, outcomes = False, 0, set()
    while not ended:
        step += 1
        home = tmp_path / str(step)
        home.mkdir()
        old, new = make_exchange(home)
        ended = in_child(lambda home=home: commit(home), killed_at=step)
        in_child(lambda home=home: recover(home), killed_at=step)
        recover(home)
        left = _contents(home)
        assert left in (old, new), step
        outcomes.add("old" if left == old else "new")
    assert outcomes == {"old", "new"}
    assert step > 20


def test_no_backup_of_a_mixture(backups):
    make_exchange(backups.home)
    in_child(lambda: commit(backups.home), killed_at=12)
    backups.own()
    seen = backups.run(TaskKind.BACKUP)
    assert (seen.state, seen.reason) == (TaskState.FAILED, "interrupted")


def test_the_engine_finishes_a_restore_that_was_killed(backups):
    """Without any request: the desktop may start as soon as the task has ended."""
    backups.write("restored")
    snapshot = backups.back_up()
    with backups.turn_taken():
        task = backups.begin(TaskKind.RESTORE, snapshot=snapshot)
        [process] = backups.processes(task, "python")
        process.kill()
        until(lambda: not backups.processes(task, ""), what="its end")
    _, new = make_exchange(backups.home)
    (backups.home / f"{home_folder.STAGING}1").rename(backups.home / f"{home_folder.STAGING}{task}")
    in_child(lambda: _commit_as(backups.home, task), killed_at=12)
    backups.own()
    seen = backups.ended(task)
    assert seen.result, seen
    assert seen.result.size == 9
    assert _contents(backups.home) == new
    backups.engine.remove(task, deadline=soon())


def _commit_as(home: Path, task: str) -> None:
    with home_folder.opened(str(home)) as opened:
        folder = os.open(home_folder.STAGING + task, home_folder.IN_FOLDER, dir_fd=opened)
        home_swap.commit(opened, task, folder, {"size": 9})


def test_links_in_the_way_of_the_removal_of_a_tree(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_text("stays")
    (tmp_path / "outside").chmod(0o555)
    folder = tmp_path / "folder"
    (folder / "locked").mkdir(parents=True)
    (folder / "locked/link").symlink_to(tmp_path / "outside")
    (folder / "locked").chmod(0o000)
    parent = os.open(tmp_path, home_folder.IN_FOLDER)
    home_folder.remove("folder", parent)
    home_folder.remove("folder", parent)
    os.close(parent)
    assert set(tree(tmp_path)) == {"outside", "outside/file"}
    assert (tmp_path / "outside").stat().st_mode & 0o777 == 0o555


def test_a_home_folder_that_is_a_link(tmp_path):
    (tmp_path / "home").symlink_to(tmp_path)
    with pytest.raises(RuntimeFault, match="volume_gone"), home_folder.opened(str(tmp_path / "home")):
        pass


def test_working_directory_is_the_home_folder_only_meanwhile(tmp_path):
    before = Path.cwd()
    with home_folder.opened(str(tmp_path)):
        assert Path.cwd() == tmp_path
    assert Path.cwd() == before
