"""Read settings from the environment: `NAME`, or the file named in `NAME_FILE`. Fail early, with one sentence."""

import os
import pwd
from pathlib import Path
from zoneinfo import available_timezones

from django.core.exceptions import ImproperlyConfigured

DATABASES = ("sqlite", "postgres", "postgresql")  # schemes of DATABASE_URL
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off", ""}


def text(name: str, default: str | None = None) -> str:
    """Return the value, without a file's trailing newline. Without a default the setting is required."""
    if path := os.environ.get(f"{name}_FILE"):
        try:
            return Path(path).read_text().strip()
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE names {path}, which cannot be read: {error.strerror}.") from error
    value = os.environ.get(name, default)
    if value is None:
        raise ImproperlyConfigured(f"{name} is not set. Set {name}, or {name}_FILE to a file that holds it.")
    return value


def folder(path: Path) -> dict[str, str]:
    """Return the content of each file by its name. A folder that does not exist has none.

    A Secret is mounted so, beside hidden files of Kubernetes.
    """
    if not path.is_dir():
        return {}
    try:
        return {
            each.name: each.read_text().strip() for each in path.iterdir() if each.name[0] != "." and each.is_file()
        }
    except OSError as error:
        raise ImproperlyConfigured(f"{error.filename} cannot be read: {error.strerror}.") from error


def secret(name: str, *, minimum: int) -> str:
    value = text(name)
    if len(value) < minimum:  # the value itself is not shown
        raise ImproperlyConfigured(f"{name} has {len(value)} characters; expected {minimum} or more random ones.")
    return value


def unprivileged_account(name: str, default: str) -> str:
    """Return the name of an account. If we are root and it is not the default, it must exist and be unprivileged."""
    value = text(name, default)
    if os.geteuid() == 0 and value != default and not _is_unprivileged(value):
        raise ImproperlyConfigured(
            f"{name} is {value!r}; expected an unprivileged account of this machine. "
            "Create one with: useradd --system --user-group NAME"
        )
    return value


def _is_unprivileged(user: str) -> bool:
    try:
        return pwd.getpwnam(user).pw_uid != 0
    except KeyError:
        return False


def flag(name: str, default: bool) -> bool:
    value = text(name, "1" if default else "0").lower()
    if value not in _TRUE | _FALSE:
        raise ImproperlyConfigured(f"{name} is {value!r}; expected 1 or 0.")
    return value in _TRUE


def integer(name: str, default: int, *, minimum: int = 0, maximum: int | None = None) -> int:
    value = text(name, str(default))
    if not value.isdecimal() or int(value) < minimum or (maximum is not None and int(value) > maximum):
        limits = f"{minimum} or more" if maximum is None else f"{minimum} to {maximum}"
        raise ImproperlyConfigured(f"{name} is {value!r}; expected a whole number, {limits}.")
    return int(value)


def listing(name: str, default: str = "") -> list[str]:
    """Return the comma-separated values."""
    return [part.strip() for part in text(name, default).split(",") if part.strip()]


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    value = text(name, default)
    if value not in allowed:
        raise ImproperlyConfigured(f"{name} is {value!r}; expected one of: {', '.join(allowed)}.")
    return value


def url(name: str, default: str, schemes: tuple[str, ...]) -> str:
    value = text(name, default)
    if value.partition(":")[0] not in schemes:  # the value may contain a password, so it is not shown
        raise ImproperlyConfigured(f"{name} begins with none of: {', '.join(f'{each}:' for each in schemes)}.")
    return value


def time_zone(name: str, default: str) -> str:
    value = text(name, default)
    if value != "UTC" and value not in available_timezones():
        raise ImproperlyConfigured(f"{name} is {value!r}; expected a name such as UTC or Europe/Berlin.")
    return value


def port_range(name: str, default: str) -> range:
    """Return the range for a text like `30000-31000`, both ends included."""
    first, _, last = text(name, default).partition("-")
    if not (first.isdecimal() and last.isdecimal() and 0 < int(first) <= int(last) < 65536):
        raise ImproperlyConfigured(f"{name} is {text(name, default)!r}; expected two ports, such as {default}.")
    return range(int(first), int(last) + 1)
