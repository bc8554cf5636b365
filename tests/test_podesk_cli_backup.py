"""`./podesk backup` and `./podesk restore`, with a real portal, a real restic, and each fault."""

import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest

from podesk_cli.folder_swap import rename_both
from podesk_cli.folders import CHECKOUT
from tests.support.page_client import Visitor
from tests.support.running_podesk import persons_environment, podesk, running, wait_for

pytestmark = pytest.mark.once
PASSPHRASE = "correct horse battery"
MAKE_ROWS = """
from accounts import audit, tokens
from accounts.audit import Stranger
from accounts.models import User
from desktops.lifecycle.runs import fresh_run
from desktops.models import Desktop, DesktopImage, Volume
owner, size = User.objects.get(), {"cpu": 1, "memory_mib": 512, "storage_gib": 1, "gpu": 0}
volume = Volume.objects.create(owner=owner, object_name="home-1", desktop_name="work", storage_gib=1)
names = {"name": "work", "size_name": "small", "object_name": "vnc-1", "status": "stopped"}
Desktop.objects.create(owner=owner, image=DesktopImage.objects.first(), volume=volume, **names, **size, **fresh_run())
token = tokens.issue(owner, scope=tokens.TokenScope(session_id=tokens.fresh_session_id()))
audit.record("user.login", by=Stranger("127.0.0.1", "somebody"))
print(token)
"""
USED = ("desktops_desktop", "desktops_volume", "accounts_sessiontoken", "accounts_auditevent")
SECOND = 1_234_567_890_123_456_789  # nanoseconds


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="podesk backup ", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o755)
        yield Path(made)


def make_home(home: Path) -> None:
    """Fill a home folder with everything that copies get wrong."""
    (home / "dir with space").mkdir(parents=True)
    (home / "line\nbreak").write_text("odd")
    Path(os.fsdecode(bytes(home) + b"/not-utf8-\xff")).write_text("odd")
    (home / "-rf").write_text("odd")
    (home / "secret").write_text("mine")
    (home / "secret").chmod(0o000)
    (home / "program").write_bytes(b"\x7fELF\0" * 1000)
    (home / "program").chmod(0o755)
    (home / "link").symlink_to("program")
    (home / "broken").symlink_to("/nowhere/at all")
    os.link(home / "program", home / "dir with space/same")
    with (home / "sparse").open("wb") as sparse:
        sparse.truncate(8 * 1024**2)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(home / "socket"))
    os.mkfifo(home / "fifo")
    for path in sorted(home.rglob("*"), reverse=True):
        os.utime(path, ns=(SECOND, SECOND), follow_symlinks=False)


def tree(root: Path) -> dict[bytes, tuple[object, ...]]:
    """Return all that must be the same after a restore, of each file below `root` except sockets."""
    found: dict[bytes, tuple[object, ...]] = {}
    for path in root.rglob("*"):
        facts = path.lstat()
        if path.is_socket():
            continue  # its program has ended, so nothing can connect to it
        content: object = path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else None
        same = (facts.st_mode, facts.st_uid, facts.st_gid, facts.st_mtime_ns, content)
        found[bytes(path.relative_to(root))] = (*same, facts.st_nlink if path.is_file() else None)
    return found


def rows(data: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(data / "podesk.sqlite3")) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: sorted(database.execute(f'SELECT * FROM "{name}"').fetchall(), key=repr) for name in tables}


def ask(verb: str, repository: Path | str, data: Path, *options: str, passphrase: str = PASSPHRASE):
    return podesk(verb, str(repository), "--data", str(data), *options, BACKUP_PASSPHRASE=passphrase)


@pytest.fixture(scope="module")
def saved(folder: Path) -> Path:
    """Return the folder with a used installation in `data`, and its backup in `repository`."""
    with running(folder / "data") as portal:
        said = portal.manage("shell", "-c", MAKE_ROWS)
        assert said.returncode == 0, said.stderr
        make_home(portal.data / "local/volumes/home-1")
        (folder / "token").write_text(said.stdout.split()[-1])
        (folder / "password").write_text(portal.password)
        (folder / "rows").write_text(repr(rows(portal.data)))
        said = ask("backup", folder / "repository", portal.data)
        assert said.returncode == 0, said.stderr
        said = ask("restore", folder / "repository", portal.data, "--replace")
        assert said.returncode == 1
        assert said.stderr.startswith(f"podesk: Podesk is already running on {portal.data}")
    return folder


def refused(said: subprocess.CompletedProcess[str], sentence: str, target: Path) -> None:
    assert said.returncode == 1, said.stdout
    assert sentence in said.stderr
    assert PASSPHRASE not in said.stdout + said.stderr
    assert not target.exists()
    assert not target.with_name(f"{target.name}.restoring").exists()


def test_lost_data_is_restored_with_all_rows_keys_and_homes(saved, tmp_path):
    new = tmp_path / "restored"
    said = ask("restore", saved / "repository", new)
    assert said.returncode == 0, said.stderr
    assert repr(rows(new)) == (saved / "rows").read_text()
    assert [len(rows(new)[table]) for table in USED] == [1, 1, 1, 1]
    assert tree(new / "secrets") == tree(saved / "data/secrets")
    assert tree(new / "local/volumes") == tree(saved / "data/local/volumes")
    assert not (new / "podesk.sqlite3").stat().st_mode & 0o077
    assert {entry.name for entry in new.iterdir()} == {"podesk.sqlite3", "secrets", "local"}


def test_restore_refuses_a_folder_with_content_and_replace_keeps_it(saved, tmp_path):
    new = tmp_path / "data"
    new.mkdir()
    (new / "work").write_text("mine")
    said = ask("restore", saved / "repository", new)
    assert said.returncode == 1
    assert f"{new} is not empty." in said.stderr
    assert ask("restore", saved / "repository", new, "--replace").returncode == 0
    (aside,) = tmp_path.glob("data.before-*")
    assert (aside / "work").read_text() == "mine"
    assert (new / "podesk.sqlite3").exists()


def test_restore_refuses_while_a_desktop_holds_its_lock(saved, tmp_path):
    lock = tmp_path / "data/local/desktops/one/lock"
    lock.parent.mkdir(parents=True)
    with subprocess.Popen(["flock", lock, "sh", "-c", "echo held; read wait"], stdin=-1, stdout=-1) as holder:
        holder.stdout.readline()
        said = ask("restore", saved / "repository", tmp_path / "data", "--replace")
        holder.communicate(b"\n")
    assert said.returncode == 1
    assert "A desktop still runs with these files: stop it first." in said.stderr


def test_wrong_passphrase_is_one_sentence(saved, tmp_path):
    said = ask("restore", saved / "repository", tmp_path / "new", passphrase="wrong")
    refused(said, "The passphrase does not open the repository", tmp_path / "new")
    said = ask("backup", saved / "repository", saved / "data", passphrase="wrong")
    assert "The passphrase does not open the repository" in said.stderr
    said = ask("backup", saved / "repository", saved / "data", passphrase="")
    assert "A passphrase is needed." in said.stderr


def test_unreachable_repository_is_one_sentence_without_its_password(saved, tmp_path):
    said = ask("restore", tmp_path / "none", tmp_path / "new")
    refused(said, f"The repository {tmp_path}/none cannot be used.", tmp_path / "new")


def test_repository_inside_the_data_folder_is_refused(saved):
    said = ask("backup", saved / "data/backups", saved / "data")
    assert said.returncode == 1
    assert "would be lost with it" in said.stderr


def test_flipped_byte_is_found_and_nothing_is_restored(saved, tmp_path):
    broken = tmp_path / "repository"
    shutil.copytree(saved / "repository", broken)
    for pack in [path for path in (broken / "data").rglob("*") if path.is_file()]:
        pack.chmod(0o600)
        content = bytearray(pack.read_bytes())
        content[10] ^= 1
        pack.write_bytes(content)
    refused(ask("restore", broken, tmp_path / "new"), "cannot be used", tmp_path / "new")


@contextmanager
def mounted(where: Path, *options: str | Path) -> Iterator[Path]:
    where.mkdir(exist_ok=True)
    subprocess.run(["mount", *options, where], check=True)
    try:
        yield where
    finally:
        subprocess.run(["umount", where], check=True)


only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
SMALL_DISK = ("-t", "tmpfs", "-o", "size=256k", "tmpfs")


@only_root
def test_full_disk_restores_nothing(saved, tmp_path):
    with mounted(tmp_path / "small", *SMALL_DISK) as small:
        refused(ask("restore", saved / "repository", small / "new"), "no space left", small / "new")


@only_root
def test_full_repository_is_one_sentence_and_the_next_backup_works_once_there_is_room(saved, tmp_path):
    data, home = tmp_path / "data", tmp_path / "data/local/volumes/home"
    home.mkdir(parents=True)
    shutil.copy(saved / "data/podesk.sqlite3", data)
    (home / "work").write_bytes(os.urandom(512 * 1024))  # cannot be compressed
    with mounted(tmp_path / "small", *SMALL_DISK) as small:
        said = ask("backup", small / "repository", data)
        assert said.returncode == 1
        assert f"The repository {small}/repository cannot be used." in said.stderr
        assert "no space left" in said.stderr
        assert (small / "repository/config").exists()
        assert list(small.glob("repository/snapshots/*")) == []
        assert not (data / "backup-copy").exists()
        subprocess.run(["mount", "-o", "remount,size=64m", small], check=True)
        assert ask("backup", small / "repository", data).returncode == 0
        assert ask("restore", small / "repository", tmp_path / "new").returncode == 0
    assert tree(tmp_path / "new/local/volumes") == tree(data / "local/volumes")


@only_root
def test_folder_that_cannot_be_renamed_stays_as_it_is(saved, tmp_path):
    """A folder that is mounted on itself does not look like a mount point, but the kernel refuses to rename it."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "work").write_text("mine")
    with mounted(data, "--bind", data):
        said = ask("restore", saved / "repository", data, "--replace")
        assert said.returncode == 1
        assert said.stderr == f"podesk: {data}: Device or resource busy.\n"
        assert (data / "work").read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"data"}


@only_root
def test_old_folder_comes_back_if_the_new_one_cannot_take_its_place(tmp_path):
    """On a file system that cannot exchange two names, the second of two renames may fail."""
    data, new, aside = (tmp_path / name for name in ("data", "new", "aside"))
    data.mkdir()
    (data / "work").write_text("mine")
    with mounted(new, "--bind", data), pytest.raises(OSError, match="busy"):
        rename_both(data, new, aside)
    assert (data / "work").read_text() == "mine"
    assert not aside.exists()


@contextmanager
def suspended(verb: str, repository: Path, data: Path, *options: str) -> Iterator[tuple[psutil.Popen, psutil.Process]]:
    """Start a backup or a restore, and suspend restic at its work. Yields the processes of podesk and restic."""
    command = [sys.executable, "podesk", verb, str(repository), "--data", str(data), *options]
    env = persons_environment() | {"BACKUP_PASSPHRASE": PASSPHRASE}
    with psutil.Popen(command, cwd=CHECKOUT, env=env, stdout=subprocess.DEVNULL) as process:
        try:
            wait_for(lambda: working(process, verb), pause=0.01)
            restic = working(process, verb)
            restic.suspend()
            wait_for(lambda: restic.status() == psutil.STATUS_STOPPED, pause=0.01)
            yield process, restic
        finally:
            if process.poll() is None:
                process.kill()


def working(process: psutil.Process, verb: str) -> psutil.Process | None:
    """Return restic once it does this work, instead of its preparations."""
    for child in process.children():
        with suppress(psutil.NoSuchProcess):
            if verb in child.cmdline()[1:2]:
                return child
    return None


@pytest.mark.parametrize(("program", "number"), [("podesk", 15), ("podesk", 9), ("restic", 9)])
def test_interrupted_backup_leaves_no_snapshot_and_the_next_one_works(saved, tmp_path, program, number):
    repository = tmp_path / "repository"
    with suspended("backup", repository, saved / "data") as (podesk, restic):
        (podesk if program == "podesk" else restic).send_signal(number)
        assert podesk.wait(30) != 0
    assert list(repository.glob("snapshots/*")) == []
    assert ask("backup", repository, saved / "data").returncode == 0
    assert len(list(repository.glob("snapshots/*"))) == 1
    assert not (saved / "data/backup-copy").exists()
    if program == "restic":  # otherwise the machine may show it as an ended process for a while
        assert list(repository.glob("locks/*")) == []


def test_second_backup_is_refused_while_the_first_goes_on(saved, tmp_path):
    repository = tmp_path / "repository"
    with suspended("backup", repository, saved / "data") as (podesk, restic):
        said = ask("backup", repository, saved / "data")
        assert said.returncode == 1
        assert "Another backup or restore of this folder is running." in said.stderr
        restic.resume()
        assert podesk.wait(30) == 0
    assert len(list(repository.glob("snapshots/*"))) == 1
    assert ask("restore", repository, tmp_path / "new").returncode == 0
    assert repr(rows(tmp_path / "new")) == (saved / "rows").read_text()


@pytest.mark.parametrize(("program", "number"), [("podesk", 15), ("podesk", 9), ("restic", 9)])
def test_interrupted_restore_changes_nothing_and_the_next_one_works(saved, tmp_path, program, number):
    data, repository = tmp_path / "data", tmp_path / "repository"
    shutil.copytree(saved / "repository", repository)
    data.mkdir()
    (data / "work").write_text("mine")
    with suspended("restore", repository, data, "--replace") as (podesk, restic):
        (podesk if program == "podesk" else restic).send_signal(number)
        assert podesk.wait(30) != 0
    assert {path.name for path in data.iterdir()} == {"work", "run.lock"}
    assert list(tmp_path.glob("data.before-*")) == []
    assert ask("restore", repository, data, "--replace").returncode == 0
    assert tree(data / "local/volumes") == tree(saved / "data/local/volumes")
    (aside,) = tmp_path.glob("data.*")
    assert (aside / "work").read_text() == "mine"
    if program == "restic":
        assert list(repository.glob("locks/*")) == []


@pytest.mark.parametrize("way", ["option", "standard input", "variable"])
def test_passphrase_is_read_from_a_file_or_standard_input(saved, tmp_path, way):
    file = tmp_path / "passphrase"
    file.write_text(PASSPHRASE + "\n")
    option = {"option": [f"--passphrase-file={file}"], "standard input": ["--passphrase-file=-"], "variable": []}[way]
    env = persons_environment() | ({"BACKUP_PASSPHRASE_FILE": str(file)} if way == "variable" else {})
    command = [sys.executable, "podesk", "restore", saved / "repository", "--data", tmp_path / "new", *option]
    with file.open() as typed:
        subprocess.run(command, cwd=CHECKOUT, env=env, stdin=typed, capture_output=True, check=True)
    assert (tmp_path / "new/podesk.sqlite3").exists()


def test_portal_on_restored_data_knows_everyone_and_everything(saved, folder):
    new = folder / "used again"
    assert ask("restore", saved / "repository", new).returncode == 0
    before = rows(new)
    with running(new) as portal:
        after = rows(new)
        for table in USED:
            assert set(map(repr, before[table])) <= set(map(repr, after[table])), table
        headers = {"X-User-Token": (saved / "token").read_text()}
        answer = httpx.get(f"{portal.url}/api/v1/pods", headers=headers)
        assert "work" in answer.text, answer.text
        assert answer.status_code == 200
        person = Visitor(portal.url)
        person.sign_in("admin", (saved / "password").read_text())
        assert "work" in person.http.get("/").text
        assert not portal.password  # no first password: the account exists
        assert f"Daily copies of the database: {new}/backups" in portal.printed
        wait_for(lambda: list(new.glob("backups/*.sqlite3")))
    return_to_the_copy(new)
    assert {table: rows(new)[table] for table in USED} == {table: before[table] for table in USED}


def return_to_the_copy(data: Path) -> None:
    """Lose the desktops, then type the commands of docs/backup.md."""
    with closing(sqlite3.connect(data / "podesk.sqlite3")) as database:
        database.execute("DELETE FROM desktops_desktop")
        database.commit()
    chapter = (CHECKOUT / "docs/backup.md").read_text().split("## Daily copies of the database")[1]
    (typed,) = re.findall(r"```sh\n(.*?)```", chapter.split("\n## ")[0], re.DOTALL)
    (copy,) = data.glob("backups/*.sqlite3")
    env = os.environ | {"COPY": str(copy.relative_to(data))}
    subprocess.run(["bash", "-e", "-c", typed], cwd=data, env=env, check=True)
