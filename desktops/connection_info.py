"""What an owner needs to reach a desktop past the portal, with programs of his own. One answer for page and API."""

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
_KEYS_TAKE = timedelta(minutes=2)  # to reach a desktop that runs


@dataclass(frozen=True)
class AccessMethod:
    """`kind`: vnc, novnc (a page for any browser) or ssh. `address`: what to give to the program, or to type."""

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
    """`ssh_needs`: what is missing before the owner can log in by SSH: "key", "moment" (the first of them is on
    its way to the desktop) or nothing. `host_key`: its fingerprint, as SSH programs ask whether to trust it."""

    access_methods: list[AccessMethod]
    in_browser: bool  # through desktops.web.ingress_auth
    awaits_address: bool
    ssh_needs: str
    host_key: str


def is_direct(desktop: Desktop | DesktopSnapshot) -> bool:
    """Is there anything past the portal? Where there is not, the desktop's password never leaves the server."""
    return settings.DESKTOP_EXPOSURE != "proxy" and desktop.status == Status.RUNNING


def connection_info_for(desktop: Desktop) -> ConnectionInfo | None:
    """None: there is nothing but the portal's own viewer."""
    found = access_methods(desktop)
    in_browser = is_in_browser(desktop)
    awaits = is_direct(desktop) and settings.DESKTOP_EXPOSURE == "loadbalancer" and not found
    if not (found or in_browser or awaits):
        return None
    return ConnectionInfo(found, in_browser, awaits, _ssh_needs(desktop), _fingerprint(desktop))


def access_methods(desktop: Desktop | DesktopSnapshot) -> list[AccessMethod]:
    """Empty through the portal alone, while it does not run, and before the cluster has given it an address."""
    ports = {"vnc": desktop.exposed_vnc, "novnc": desktop.exposed_novnc, "ssh": desktop.exposed_ssh}
    if not is_direct(desktop) or not desktop.exposed_host:
        return []
    return [AccessMethod(kind, desktop.exposed_host, port) for kind, port in ports.items() if port]


def is_in_browser(desktop: Desktop) -> bool:
    return is_direct(desktop) and settings.DESKTOP_EXPOSURE == "ingress"


def password(desktop: Desktop) -> str:
    """Raises InvalidToken when none of SECRETS_KEYS opens it."""
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
    except InvalidToken:  # a lost SECRETS_KEYS must not take the page along
        return ""
    return PublicKey.of(kind, key).fingerprint if key else ""
