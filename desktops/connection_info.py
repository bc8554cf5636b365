"""How an owner reaches a desktop with their own programs, without the portal. Used by page and API alike."""

from dataclasses import dataclass
from datetime import timedelta

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db.models import Min
from django.utils import timezone

from accounts.models import SSHKey
from accounts.ssh_keys import PublicKey
from core import encryption
from desktops.desktop_snapshot import DesktopSnapshot
from desktops.lifecycle import host_keys
from desktops.models import Desktop, Status

SSH_USER = "void"
_KEYS_TAKE = timedelta(minutes=2)  # time until a new key reaches a running desktop


@dataclass(frozen=True)
class AccessMethod:
    """One way to reach a desktop directly.

    `kind` is vnc, novnc (a page for any browser) or ssh. `address` is what you type or give to the program.
    """

    kind: str
    host: str
    port: int

    @property
    def address(self) -> str:
        if self.kind == "ssh":
            port = "" if self.port == 22 else f"-p {self.port} "
            return f"ssh {port}{SSH_USER}@{self.host}"
        host = f"[{self.host}]" if ":" in self.host else self.host  # IPv6
        return f"http://{host}:{self.port}/vnc.html" if self.kind == "novnc" else f"{host}:{self.port}"


@dataclass(frozen=True)
class ConnectionInfo:
    """The ways to reach a desktop directly.

    `ssh_needs` is what the owner lacks for SSH: "key", "moment" (the first key is on its way to the desktop) or
    nothing.
    `keys_outdated`: the desktop has not received the last change of keys, so a removed key still opens it.
    `host_key` is the fingerprint that SSH programs show before the first connection.
    """

    access_methods: list[AccessMethod]
    in_browser: bool  # through desktops.web.ingress_auth
    awaits_address: bool
    ssh_needs: str
    keys_outdated: bool
    host_key: str


def is_direct(desktop: Desktop | DesktopSnapshot) -> bool:
    """Say whether the desktop can be reached without the portal. If not, its password never leaves the server."""
    return settings.DESKTOP_EXPOSURE != "proxy" and desktop.status == Status.RUNNING


def connection_info_for(desktop: Desktop) -> ConnectionInfo | None:
    """Return None if the desktop can be reached only through the portal."""
    found = access_methods(desktop)
    in_browser = is_in_browser(desktop)
    awaits = is_direct(desktop) and settings.DESKTOP_EXPOSURE == "loadbalancer" and not found
    if not (found or in_browser or awaits):
        return None
    outdated = bool(desktop.exposed_ssh) and desktop.ssh_keys_version != desktop.owner.ssh_keys_version
    return ConnectionInfo(found, in_browser, awaits, _ssh_needs(desktop), outdated, _fingerprint(desktop))


def access_methods(desktop: Desktop | DesktopSnapshot) -> list[AccessMethod]:
    """Return an empty list if the portal is the only way, the desktop does not run, or it has no address yet."""
    ports = {"vnc": desktop.exposed_vnc, "novnc": desktop.exposed_novnc, "ssh": desktop.exposed_ssh}
    if not is_direct(desktop) or not desktop.exposed_host:
        return []
    return [AccessMethod(kind, desktop.exposed_host, port) for kind, port in ports.items() if port]


def is_in_browser(desktop: Desktop) -> bool:
    return is_direct(desktop) and settings.DESKTOP_EXPOSURE == "ingress"


def password(desktop: Desktop) -> str:
    """Return the desktop's VNC password. Raises InvalidToken if none of SECRETS_KEYS decrypts it."""
    return encryption.decrypt(desktop.vnc_password_sealed)


def _ssh_needs(desktop: Desktop) -> str:
    first = SSHKey.objects.filter(owner=desktop.owner_id).aggregate(at=Min("created_at"))["at"]
    if first is None:
        return "key"
    later = desktop.started_at and first > desktop.started_at
    return "moment" if later and timezone.now() - first < _KEYS_TAKE else ""


def _fingerprint(desktop: Desktop) -> str:
    try:
        kind, _, key = host_keys.public_host_key(desktop).partition(" ")
    except InvalidToken:  # the page must work even if SECRETS_KEYS was lost
        return ""
    return PublicKey.of(kind, key).fingerprint if key else ""
