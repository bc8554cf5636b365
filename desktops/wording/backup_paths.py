"""Names of files in backups, for people. Paths are percent-encoded, because names of files may be any bytes."""

from urllib.parse import quote, unquote_to_bytes

_LOST = quote("\N{REPLACEMENT CHARACTER}")  # restic lists this instead of bytes that are not UTF-8


def is_name_lost(path: str) -> bool:
    """Return whether the last name of a path is not the real one, so that only its folder can be restored."""
    return _LOST in path.rpartition("/")[2]


def readable_name(path: str) -> str:
    """Return the last name of a path. Bytes that are not UTF-8 become a replacement character."""
    name = unquote_to_bytes(path.rpartition("/")[2]).decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)
