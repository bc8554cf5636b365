"""`./podesk backup` and `./podesk restore`: the database, keys and home folders of one machine."""

import fcntl
import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from podesk_cli import settings
from podesk_cli.folder_swap import put_in_place
from podesk_cli.folders import Folders, claim
from podesk_cli.report import Failure, say
from podesk_cli.repository import Repository, locate

_DATABASE = "podesk.sqlite3"
_COPY = "backup-copy"  # in the data folder; always the same, so that restic compares with the last backup
_KEYS, _HOMES = "secrets", "local/volumes"


def back_up(place: Folders, repository: Repository) -> int:
    """Save the installation. The portal and desktops may run meanwhile. Raises Failure."""
    _refuse_other_places()
    if not (place.data / _DATABASE).is_file():
        raise Failure(f"There is no Podesk database in {place.data}. Choose its folder with --data.")
    _refuse_inside(place.data, repository)
    with _alone(place.data / "backup.lock"):
        repository.create_if_missing()
        repository.forget_dead_locks()
        try:
            # First the database: a home that is newer than its row is kept, but a row without its home is a loss.
            _copy_database(place)
            parts = [part for part in (_COPY, _KEYS, _HOMES) if (place.data / part).exists()]
            repository.save(place.data, parts)
        finally:
            shutil.rmtree(place.data / _COPY, ignore_errors=True)
    say(f"Backed up {place.data} to {repository}: database, keys and home folders. Keep the passphrase elsewhere.")
    for name in ("SECRET_KEY", "SECRETS_KEYS", "TOKEN_SIGNING_KEY", "BACKUP_KEY"):
        if settings.given(name):
            say(f"Not in the backup: {name}, which you set yourself. Keep a copy of it.")
    return 0


def restore(place: Folders, repository: Repository, snapshot: str, *, replace: bool) -> int:
    """Restore the installation completely or not at all. Raises Failure."""
    _refuse_other_places()
    _refuse_inside(place.data, repository)
    if place.data.is_mount():
        raise Failure(f"{place.data} is a mount point, which cannot be replaced. Choose a folder in it with --data.")
    with _unused(place, replace=replace):
        place.data.parent.mkdir(parents=True, exist_ok=True)
        new = place.data.with_name(f"{place.data.name}.restoring")
        with _alone(place.data.parent):
            shutil.rmtree(new, ignore_errors=True)  # left by an interrupted restore
            try:
                _fetch(repository, snapshot, new)
                old = put_in_place(place.data, new)
                if old and not _content(old):
                    shutil.rmtree(old)
                    old = None
            finally:
                shutil.rmtree(new, ignore_errors=True)
    say(f"Restored {place.data} from {repository}. Start it: ./podesk run --data {place.data}")
    if old:
        say(f"The files that were there are in {old}. Delete them when you no longer need them.")
    return 0


def open_repository(location: str, passphrase_file: str) -> Repository:
    """Return the repository, with the passphrase from a file, standard input or the environment. Raises Failure."""
    path = passphrase_file or os.environ.get("BACKUP_PASSPHRASE_FILE", "")
    if path == "-":
        passphrase = sys.stdin.readline()
    else:
        passphrase = Path(path).read_text(encoding="utf-8") if path else os.environ.get("BACKUP_PASSPHRASE", "")
    if not passphrase.strip():
        raise Failure("A passphrase is needed. Put it into a file and use --passphrase-file FILE, or - to type it.")
    return Repository(locate(location), passphrase.strip())


def _refuse_other_places() -> None:
    for name in ("DATABASE_URL", "LOCAL_RUNTIME_DIR"):
        if settings.given(name):
            raise Failure(f"{name} is set, but this command knows only what is in the data folder. See docs/backup.md.")
    if os.environ.get("DESKTOP_RUNTIME", "local") != "local":
        raise Failure("DESKTOP_RUNTIME is not local: home folders are in the cluster. See docs/operations.md.")


def _refuse_inside(data: Path, repository: Repository) -> None:
    path = Path(repository.location)  # a remote location is a relative path here, so it is never inside
    if path == data or data in path.parents:
        raise Failure(f"The repository {repository} is inside {data} and would be lost with it. Choose another place.")


def _copy_database(place: Folders) -> None:
    """Copy the database with SQLite's own method, which is consistent while others write."""
    folder = place.data / _COPY
    shutil.rmtree(folder, ignore_errors=True)  # left by an interrupted backup
    folder.mkdir(mode=0o700)
    copy = folder / _DATABASE
    copy.touch(mode=0o600)
    try:
        # Not read-only: the last writer may have left a log that the database needs.
        source, target = sqlite3.connect(place.data / _DATABASE, timeout=20), sqlite3.connect(copy)
        with closing(source), closing(target):
            source.backup(target)
            answer = target.execute("PRAGMA integrity_check").fetchone()[0]
    except sqlite3.Error as error:
        raise Failure(f"The database in {place.data} cannot be copied: {error}.") from error
    if answer != "ok":
        raise Failure(f"The database in {place.data} is damaged, so nothing was backed up: {answer[:200]}")


def _fetch(repository: Repository, snapshot: str, new: Path) -> None:
    """Build a complete data folder from the repository."""
    new.mkdir(mode=0o700)
    repository.forget_dead_locks()
    repository.restore(snapshot, new)
    if not (new / _COPY / _DATABASE).is_file():
        raise Failure(f"The snapshot {snapshot} in {repository} has no Podesk database. Choose another --snapshot.")
    (new / _COPY / _DATABASE).rename(new / _DATABASE)
    (new / _COPY).rmdir()
    new.chmod(0o711)  # as ./podesk run creates it: the account of desktops must pass
    os.sync()


@contextmanager
def _unused(place: Folders, *, replace: bool) -> Iterator[None]:
    """Refuse while the portal or a desktop uses the data folder, or it has content. Hold it until the end."""
    if not place.data.exists():
        yield
        return
    if _content(place.data) and not replace:
        raise Failure(f"{place.data} is not empty. Use another folder with --data, or move it aside with --replace.")
    with claim(place, "a restore"):
        for lock in sorted(place.data.glob("local/desktops/*/lock")):
            with _alone(lock, "A desktop still runs with these files: stop it first."):
                pass
        yield


def _content(data: Path) -> set[str]:
    return {entry.name for entry in data.iterdir()} - {"run.lock"}


@contextmanager
def _alone(path: Path, otherwise: str = "Another backup or restore of this folder is running.") -> Iterator[None]:
    lock = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Failure(f"{otherwise} ({path})") from None
    finally:
        os.close(lock)
