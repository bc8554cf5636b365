"""Which names a desktop may have."""

from desktops.exceptions import NameInvalid

_LONGEST = 40  # characters


def clean_name(name: str) -> str:
    """Return the name without spaces around it. Raises NameInvalid."""
    name = name.strip()
    if not 1 <= len(name) <= _LONGEST or not name.isprintable():
        raise NameInvalid(field="name")
    return name
