"""A real restic repository with one backup of a small home folder, made once for all tests of a process."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from django.test import override_settings

from desktops.lifecycle.backups.access import access_to
from desktops.models import Backup, BackupRepository, Volume

REPOSITORY = UUID("0b1c2d3e-0000-4000-8000-000000000001")
KEY = "a key of the tests that nobody needs to keep"
LARGE = 96 << 20  # bytes of the file "large", which is longer than what sockets hold
FILES = {
    b"notes.txt": b"first line\n",
    b"page.html": b"<script>alert(document.cookie)</script>",
    '报告 "1".txt'.encode(): b"report",
    b"docs/deep/er.txt": b"deep",
    b"docs/odd\xff.txt": b"not UTF-8",
}


@dataclass(frozen=True)
class StoredBackup:
    location: Path  # as BACKUP_REPOSITORY
    snapshot: str


def store(folder: Path, files: dict[bytes, bytes] = FILES) -> StoredBackup:
    """Back up a home folder with these files and a large one, as an engine does."""
    home, location = folder / "home", folder / "store"
    for name, text in files.items():
        path = home / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
    with (home / "large").open("wb") as large:
        large.truncate(LARGE)
    (home / "to-notes").symlink_to("notes.txt")
    with override_settings(BACKUP_REPOSITORY=str(location), BACKUP_KEY=KEY):
        access = access_to(BackupRepository(pk=REPOSITORY))
    environment = os.environ | {"RESTIC_REPOSITORY": access.location, "RESTIC_PASSWORD": access.password}
    for command in (["init"], ["backup", "--host", "podesk", "."]):
        subprocess.run(["restic", "-q", *command], cwd=home, env=environment, check=True)
    (made,) = (location / f"homes/{REPOSITORY}/snapshots").iterdir()
    return StoredBackup(location, made.name[:16])


def rows(stored: StoredBackup, volume: Volume) -> Backup:
    """Create the rows of the stored backup, as one of this home folder."""
    known = {"owner": volume.owner, "volume": volume, "desktop_name": volume.desktop_name}
    repository = BackupRepository.objects.create(
        pk=REPOSITORY, storage_gib=volume.storage_gib, succeeded_at=volume.created_at, size_bytes=4096, **known
    )
    changes = {"size_bytes": LARGE, "added_bytes": 4096, "files_new": len(FILES) + 1}
    return Backup.objects.create(repository=repository, snapshot=stored.snapshot, trigger="request", **changes)
