"""The exact names in a folder of a snapshot. `restic ls` replaces bytes that are not UTF-8; trees have them."""

import json
import re
from typing import Any

from desktops.runtimes.backups.restic import Restic

MOST_BYTES = 16 << 20  # of one tree; larger ones are not read
ESCAPES = re.compile(r"\\(x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|.)|[^\\]+", re.DOTALL)
LETTERS = {"a": b"\a", "b": b"\b", "f": b"\f", "n": b"\n", "r": b"\r", "t": b"\t", "v": b"\v"}


def exact_names(restic: Restic, snapshot: str, folder: bytes) -> list[bytes]:
    """Return the names in a folder, in the order of `restic ls`, or nothing if a tree on the way is too large."""
    tree = json.loads(b"".join(restic.output("--no-lock", "cat", "snapshot", snapshot)))["tree"]
    for name in filter(None, folder.split(b"/")):
        tree = next((node.get("subtree") for node in _nodes(restic, tree) if unquote(node["name"]) == name), None)
        if tree is None:
            return []
    return [unquote(node["name"]) for node in _nodes(restic, tree)]


def _nodes(restic: Restic, tree: str) -> list[dict[str, Any]]:
    text = b""
    for part in restic.output("--no-lock", "cat", "blob", tree):
        text += part
        if len(text) > MOST_BYTES:
            return []
    return json.loads(text)["nodes"] or []


def unquote(text: str) -> bytes:
    """Return the bytes of a name that was quoted as Go does it."""
    return b"".join(_piece(found) for found in ESCAPES.finditer(text))


def _piece(found: re.Match[str]) -> bytes:
    escape = found[1]
    if escape is None:
        return found[0].encode()
    if escape[0] == "x":
        return bytes([int(escape[1:], 16)])
    if escape[0] in "uU":
        return chr(int(escape[1:], 16)).encode()
    return LETTERS.get(escape, escape.encode())
