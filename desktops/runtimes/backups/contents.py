"""Look into a snapshot: list one folder of it, and read one file. For the portal's own processes."""

import json
import os
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from desktops.runtimes.backups import paths, tree_names
from desktops.runtimes.backups.base import RepositoryAccess
from desktops.runtimes.backups.restic import LOST, Restic
from desktops.runtimes.base import RuntimeFault

MOST_ENTRIES = 5000  # of one folder
KINDS = {"file": "file", "dir": "folder", "symlink": "link"}


@dataclass(frozen=True)
class Entry:
    """One name in a folder of a snapshot."""

    name: str  # for people: bytes that are not UTF-8 are replaced
    path: str  # relative to the home folder, as paths.py encodes it
    kind: str  # "file", "folder", "link" or "other"
    size: int  # bytes; 0 if it is not a file
    modified: datetime


def entries(access: RepositoryAccess, snapshot: str, folder: str = "") -> list[Entry]:
    """Return what one folder contains, at most MOST_ENTRIES. Raises RuntimeFault, ValueError."""
    here = paths.decode(folder) if folder else b""
    with closing(_entries(Restic(access), snapshot, here)) as found:
        return list(islice(found, MOST_ENTRIES))


def entry(access: RepositoryAccess, snapshot: str, path: str) -> Entry | None:
    """Return one file or folder, or None if the snapshot has none of this path. Raises RuntimeFault, ValueError."""
    folder, _, _ = paths.decode(path).rpartition(b"/")
    with closing(_entries(Restic(access), snapshot, folder)) as found:
        return next((each for each in found if each.path == path), None)


def stream(access: RepositoryAccess, snapshot: str, path: str) -> Iterator[bytes]:
    """Yield the content of a file. Raises RuntimeFault at the end if a part could not be read."""
    yield from Restic(access).output("--no-lock", "dump", snapshot, paths.argument(paths.decode(path)))


def _entries(restic: Restic, snapshot: str, folder: bytes) -> Generator[Entry]:
    exact: list[bytes] | None = None
    for number, node in enumerate(_nodes(restic, snapshot, folder)):
        name = os.fsencode(node["name"])
        if LOST in node["name"]:
            exact = tree_names.exact_names(restic, snapshot, folder) if exact is None else exact
            name = exact[number] if exact else name
        yield _entry(node, b"/".join(filter(None, (folder, name))))


def _nodes(restic: Restic, snapshot: str, folder: bytes) -> Generator[dict[str, Any]]:
    """Yield the entries of one folder. restic also lists the snapshot and the folder itself."""
    itself = paths.argument(folder)
    depth, found = itself.count("/") + bool(folder), False
    for line in _whole_lines(restic.output("--no-lock", "ls", "--json", snapshot, itself)):
        node = json.loads(line)
        found = found or node.get("struct_type") == "snapshot"
        if node.get("struct_type") == "node" and node["path"].count("/") == depth:
            yield node
    if not found:  # restic only writes an error and ends well
        raise RuntimeFault("repository_damaged", f"no snapshot {snapshot}", permanent=False)


def _whole_lines(parts: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for part in parts:
        *lines, rest = (rest + part).split(b"\n")
        yield from lines


def _entry(node: dict[str, Any], path: bytes) -> Entry:
    return Entry(
        name=node["name"],
        path=paths.encode(path),
        kind=KINDS.get(node["type"], "other"),
        size=node.get("size", 0),
        modified=datetime.fromisoformat(node["mtime"]),
    )
