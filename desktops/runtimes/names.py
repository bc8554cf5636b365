"""Object names for any user: valid everywhere, unique by the desktop's id, readable where the name allows."""

import re
import unicodedata
from uuid import UUID

from desktops.runtimes.base import RuntimeFault

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def desktop_name(user_name: str, desktop_id: str) -> str:
    """A DNS label of at most 42 characters. `desktop_id` is a UUID; ValueError otherwise."""
    return _name("vnc", user_name, desktop_id)


def volume_name(user_name: str, desktop_id: str) -> str:
    """Like desktop_name, for the volume that holds the home folder."""
    return _name("home", user_name, desktop_id)


def check(name: str) -> str:
    """Names become paths and addresses: nothing but a DNS label may. Raises RuntimeFault."""
    if not LABEL.fullmatch(name):
        raise RuntimeFault("bad_name", f"not a valid name: {name!r}")
    return name


def display(user_name: str) -> str:
    """As the person wrote it, without what no environment or annotation can hold."""
    return "".join(filter(str.isprintable, user_name))[:200]


def _name(prefix: str, user_name: str, desktop_id: str) -> str:
    # The slug is for people who read lists; only the id tells two desktops apart.
    return "-".join(filter(None, (prefix, _slug(user_name), UUID(desktop_id).hex[:12])))


def _slug(text: str) -> str:
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_text)[:24].strip("-")
