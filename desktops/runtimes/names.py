"""Object names for any user: valid everywhere, unique by the desktop's id, and readable where possible."""

import re
import unicodedata
from uuid import UUID

from desktops.runtimes.base import RuntimeFault

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def desktop_name(user_name: str, desktop_id: str) -> str:
    """Return a DNS label of at most 42 characters. Raises ValueError if `desktop_id` is not a UUID."""
    return _name("vnc", user_name, desktop_id)


def volume_name(user_name: str, desktop_id: str) -> str:
    """Return the name of the volume for the home folder, as a DNS label of at most 43 characters."""
    return _name("home", user_name, desktop_id)


def check(name: str) -> str:
    """Return the name if it is a DNS label, so that it is safe in paths and addresses. Raises RuntimeFault."""
    if not LABEL.fullmatch(name):
        raise RuntimeFault("bad_name", f"not a valid name: {name!r}")
    return name


def display(user_name: str) -> str:
    """Return the user name without characters that environments or annotations cannot hold."""
    return "".join(filter(str.isprintable, user_name))[:200]


def _name(prefix: str, user_name: str, desktop_id: str) -> str:
    # The slug is for readability. Only the id makes the name unique.
    return "-".join(filter(None, (prefix, _slug(user_name), UUID(desktop_id).hex[:12])))


def _slug(text: str) -> str:
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_text)[:24].strip("-")
