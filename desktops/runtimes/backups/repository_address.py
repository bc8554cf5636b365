"""Find out where on the network a restic repository is. Pure."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from desktops.runtimes.backups.base import RepositoryAccess

_HTTP, _HTTPS = 80, 443
# Kinds of locations that work without files of the machine, such as SSH keys.
_NETWORK = ("rest", "s3", "b2", "azure", "gs", "swift")


@dataclass(frozen=True)
class RepositoryAddress:
    host: str  # name or IP address; empty if the location does not contain it
    ports: tuple[int, ...]


def is_on_network(location: str) -> bool:
    """Say whether any machine with the password and the credentials can open a repository at this location."""
    return location.partition(":")[0] in _NETWORK


def address_of(access: RepositoryAccess) -> RepositoryAddress:
    """Return the server of a repository. Its ports are 443 unless the location names another."""
    kind, _, rest = access.location.partition(":")
    if kind in ("rest", "s3"):
        return _of_url(rest)
    if kind == "swift":
        signs_in = _of_url(access.environment.get("OS_AUTH_URL", ""))
        return RepositoryAddress("", tuple(sorted({_HTTPS, *signs_in.ports})))
    return RepositoryAddress("", (_HTTPS,))


def _of_url(url: str) -> RepositoryAddress:
    parts = urlsplit(url if "://" in url else f"https://{url}")
    port = parts.port or (_HTTP if parts.scheme == "http" else _HTTPS)
    return RepositoryAddress(parts.hostname or "", (port,))
