"""The local backup engine with real restic: back up, restore everything or some paths, look inside, verify, forget."""

import json
import os
import socket
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from desktops.runtimes.backups import contents, paths, verifying
from desktops.runtimes.backups.base import NewVolume, Retention, TaskKind, TaskState
from desktops.runtimes.backups.restic import Restic
from desktops.runtimes.base import RuntimeFault
from desktops.tests.support.backup_tasks import VOLUME, BackupHarness, tree
from desktops.tests.support.runtime_specs import soon


def make_odd_home(backups: BackupHarness) -> None:
    """Fill the home folder with everything that a backup could get wrong."""
    backups.write("docs/report.txt", b"report" * 1000)
    for name in (b"new\nline", b"bytes\xff\xfe", "unicode-文件".encode(), b"st*r[1]?\\", b"-rf", b"n" * 255, b" "):
        backups.write(name, name)
    backups.write(".hidden/deep/er/file")
    home = backups.home
    os.link(home / "docs/report.txt", home / "docs/twin.txt")
    (home / "link").symlink_to("docs/report.txt")
    (home / "dangling").symlink_to("/nowhere/at/all")
    (home / "outside").symlink_to("/etc")
    (home / "empty").mkdir()
    os.mkfifo(home / "pipe")
    (home / "script").write_text("#!/bin/sh\n")
    (home / "script").chmod(0o4755)
    (home / "secret").write_text("s")
    (home / "secret").chmod(0o400)
    with (home / "sparse").open("wb") as file:
        file.seek(64 << 20)
        file.write(b"end")
    backups.own()
    (home / "script").chmod(0o4755)  # a change of owner clears it
    (home / "empty").chmod(0o555)
    (home / "docs").chmod(0o500)
    for path in home.rglob("*"):
        os.utime(path, ns=(10**18, 10**18 + 123456789), follow_symlinks=False)


def test_everything_comes_back_as_it_was(backups):
    make_odd_home(backups)
    before = tree(backups.home)
    saved = backups.succeed(TaskKind.BACKUP)
    assert (saved.files_new, saved.files_unread) == (13, 0)
    (backups.home / "docs").chmod(0o700)
    (backups.home / "docs/report.txt").write_text("overwritten")
    (backups.home / "secret").unlink()
    backups.write("new folder/new file")
    restored = backups.succeed(TaskKind.RESTORE, snapshot=saved.snapshot)
    assert tree(backups.home) == before
    assert restored.size == saved.size
    assert (backups.home / "sparse").stat().st_blocks * 512 < 1 << 20


def test_a_second_backup_stores_only_what_changed(backups):
    backups.write("large", os.urandom(5 << 20))
    first = backups.succeed(TaskKind.BACKUP)
    backups.write("small", b"small")
    second = backups.succeed(TaskKind.BACKUP)
    assert (first.files_new, second.files_new, second.files_unmodified) == (1, 1, 1)
    assert first.added > 5 << 20 > 100_000 > second.added > 0
    assert second.size == first.size + len(b"small")


def test_begun_twice_runs_once(backups):
    backups.write("file")
    task = backups.task(TaskKind.BACKUP)
    for _ in range(2):
        backups.engine.begin(task, deadline=soon())
    backups.ended(task.id)
    backups.engine.begin(task, deadline=soon())
    [seen] = backups.engine.observe()
    assert (seen.id, seen.state) == (task.id, TaskState.SUCCEEDED)
    backups.engine.remove(task.id, deadline=soon())
    assert backups.engine.observe() == []


def test_into_a_new_home_folder(backups):
    make_odd_home(backups)
    snapshot = backups.back_up()
    new = NewVolume(owner_id="1", owner_name="Ada", storage_gib=5)
    backups.succeed(TaskKind.RESTORE, snapshot=snapshot, volume="home-other", new_volume=new)
    assert tree(backups.home.with_name("home-other")) == tree(backups.home)
    assert (backups.home.with_name("home-other").stat().st_mode & 0o777) == 0o700


def test_chosen_paths_go_to_a_new_folder(backups):
    make_odd_home(backups)
    before = tree(backups.home)
    chosen = [b"docs/twin.txt", b"st*r[1]?\\", b"bytes\xff\xfe", b"new\nline", b".hidden"]
    snapshot = backups.back_up()
    for folder in ("Restored", "Restored (2)"):
        backups.succeed(TaskKind.RESTORE, snapshot=snapshot, paths=tuple(map(paths.encode, chosen)), folder="Restored")
        restored = tree(backups.home / folder)
        files = {path: facts[5] for path, facts in restored.items() if len(facts) > 6}
        expected = {os.fsdecode(path) for path in (*chosen[:-1], b".hidden/deep/er/file")}
        assert files == {path: before[path][5] for path in expected}
    assert {path: facts for path, facts in tree(backups.home).items() if not path.startswith("Restored")} == before


def test_contents(backups):
    make_odd_home(backups)
    snapshot = backups.back_up()
    top = {entry.name: entry for entry in contents.entries(backups.access, snapshot)}
    assert (top["docs"].kind, top["link"].kind, top["pipe"].kind) == ("folder", "link", "other")
    assert top["secret"].modified.timestamp() == pytest.approx(10**9 + 0.123456)
    [report, twin] = contents.entries(backups.access, snapshot, top["docs"].path)
    assert (report.path, report.kind, report.size, twin.name) == ("docs/report.txt", "file", 6000, "twin.txt")
    assert contents.entry(backups.access, snapshot, "docs/report.txt") == report
    assert contents.entry(backups.access, snapshot, "docs/nothing") is None
    assert b"".join(contents.stream(backups.access, snapshot, report.path)) == b"report" * 1000


def test_contents_with_odd_names(backups):
    names = [
        b"bytes\xff\xfe",
        b"bytes\xff",
        "�".encode(),
        "文件".encode(),
        b"back\\slash\\xff",
        b'"quo\x01te"',
        b"new\nline",
    ]
    for name in names:
        backups.write(b"fold\xe9r/" + name, name)
    snapshot = backups.back_up()
    [folder] = contents.entries(backups.access, snapshot)
    assert (folder.path, folder.kind) == ("fold%E9r", "folder")
    found = contents.entries(backups.access, snapshot, folder.path)
    assert {entry.path for entry in found} == {paths.encode(b"fold\xe9r/" + name) for name in names}
    for entry in found:
        assert contents.entry(backups.access, snapshot, entry.path) == entry
        content = b"".join(contents.stream(backups.access, snapshot, entry.path))
        assert paths.encode(b"fold\xe9r/" + content) == entry.path


@pytest.mark.parametrize("path", ["../x", "a/../b", "/etc/passwd", "", "a//b", "%2e%2e/x", "a%00b"])
def test_paths_that_lead_elsewhere(path):
    with pytest.raises(ValueError, match="not a path"):
        paths.decode(path)


def test_a_socket_is_left_out(backups):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(backups.home / "sock"))
        backups.write("file")
        snapshot = backups.back_up()
    backups.succeed(TaskKind.RESTORE, snapshot=snapshot)
    assert set(tree(backups.home)) == {"file"}


def test_secrets_do_not_remain_on_disk(backups):
    backups.write("file")
    backups.succeed(TaskKind.BACKUP)
    assert not [path for path in backups.root.rglob("*") if path.is_file() and b"a password" in path.read_bytes()]
    assert VOLUME in (next(backups.engine.tasks.glob("*-*")) / "task").read_text()


def test_retention(backups):
    snapshots = []
    for number in range(3):
        backups.write("file", str(number).encode())
        snapshots.append(backups.back_up())
    kept = backups.succeed(TaskKind.FORGET, retention=Retention(hourly=1, daily=1, weekly=0, monthly=0))
    assert kept.snapshots == (snapshots[-1],)
    assert 0 < kept.repository_size < 100_000
    backups.write("file", b"last")
    last = backups.back_up()
    gone = (last, "0123456789abcdef")  # the second one was removed before
    assert backups.succeed(TaskKind.FORGET, snapshots=gone).snapshots == (snapshots[-1],)
    assert backups.succeed(TaskKind.FORGET, delete_all=True).snapshots == ()


def test_verification(backups):
    backups.write("file", os.urandom(100_000))
    snapshot = backups.back_up()
    assert backups.succeed(TaskKind.VERIFY, part=(1, 1)).snapshot == snapshot


def test_contents_of_a_lost_backup_are_a_fault_and_not_an_empty_folder(backups):
    backups.write("file")
    backups.back_up()
    with pytest.raises(RuntimeFault, match="repository_damaged"):
        contents.entries(backups.access, "0" * 16)


# --- very many files ---


@pytest.fixture
def many(backups) -> str:
    """Return a backup of a folder with more files than are listed."""
    folder = backups.write("many/first").parent
    for number in range(contents.MOST_ENTRIES + 1000):
        (folder / f"file-{number:05}").touch()
    backups.own()
    return backups.back_up()


def peak_memory(work: Callable[[], Any]) -> int:
    """Return how many bytes Python had at most, besides those before."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_what_restic_lists_of_very_many_files_is_never_held_as_a_whole(backups, many):
    assert len(contents.entries(backups.access, many, "many")) == contents.MOST_ENTRIES
    verification = backups.task(TaskKind.VERIFY)
    assert peak_memory(lambda: verifying.verify(verification, Restic(backups.access))) < 1 << 20
    assert peak_memory(lambda: contents.entry(backups.access, many, "many/no such file")) < 1 << 20
    whole = Restic(backups.access).output("ls", "--json", many)
    assert peak_memory(lambda: [json.loads(line) for line in b"".join(whole).splitlines()]) > 5 << 20
