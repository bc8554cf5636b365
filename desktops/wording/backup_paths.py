"""Names of files in backups, for people. Paths are percent-encoded, because names of files may be any bytes."""

from urllib.parse import unquote_to_bytes


def readable_name(path: str) -> str:
    """Return the last name of a path. Bytes that are not UTF-8 become a replacement character."""
    name = unquote_to_bytes(path.rpartition("/")[2]).decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)
