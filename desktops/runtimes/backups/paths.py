"""Paths inside a home folder as text. Names are bytes to the kernel; percent-encoded text keeps them all."""

import os
from urllib.parse import quote, unquote_to_bytes


def encode(path: bytes) -> str:
    """Return a path as ASCII text, as rows, addresses and the API hold it."""
    return quote(path.strip(b"/"), safe="/")


def decode(text: str) -> bytes:
    """Return the path that `encode` was given. Raises ValueError if it could lead out of the home folder."""
    path = unquote_to_bytes(text)
    parts = path.split(b"/")
    if b"\0" in path or b"" in parts or b"." in parts or b".." in parts:
        raise ValueError(f"not a path inside a home folder: {text!r}")
    return path


def argument(path: bytes) -> str:
    """Return a path as restic takes it: from the root of the snapshot."""
    return "/" + os.fsdecode(path)


def pattern(path: bytes) -> str:
    """Return the pattern that matches exactly this path and what is below it."""
    return "".join(f"\\{letter}" if letter in "\\*?[" else letter for letter in argument(path))
