"""Check the settings for combinations that would be unsafe or cannot work."""

from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from desktops.runtimes.backups.repository_address import is_on_network

_BACKUP_KEY_LENGTH = 32  # characters


@register()
def keys_are_set(app_configs: Any, **kwargs: Any) -> list[Error]:
    missing = [name for name in ("SECRETS_KEYS", "TOKEN_SIGNING_KEY") if not getattr(settings, name)]
    return [
        Error(
            f"{name} is not set.",
            hint=f"Set {name} or {name}_FILE; docs/settings.md says how to make one.",
            id="portal.E001",
        )
        for name in missing
    ]


@register()
def local_runtime_is_meant(app_configs: Any, **kwargs: Any) -> list[Error]:
    if settings.DESKTOP_RUNTIME != "local" or settings.LOCAL_RUNTIME_ALLOWED:
        return []
    return [
        Error(
            "The local runtime does not isolate users from each other and is not allowed with DEBUG=0.",
            hint="Set DESKTOP_RUNTIME=kubernetes, or LOCAL_RUNTIME_ALLOWED=1 where all users trust each other.",
            id="portal.E002",
        )
    ]


@register()
def secrets_keys_are_fernet_keys(app_configs: Any, **kwargs: Any) -> list[Error]:
    bad = [number for number, key in enumerate(settings.SECRETS_KEYS, start=1) if not _is_fernet_key(key)]
    return [
        Error(
            f"Key {number} of SECRETS_KEYS is not a Fernet key.",
            hint="32 random bytes in URL-safe base64; docs/settings.md says how to make one.",
            id="portal.E003",
        )
        for number in bad
    ]


def _is_fernet_key(key: str) -> bool:
    try:
        Fernet(key)
    except ValueError:
        return False
    return True


@register()
def public_url_is_an_origin(app_configs: Any, **kwargs: Any) -> list[Error]:
    url = urlsplit(settings.PUBLIC_URL)
    if url.scheme in ("http", "https") and url.hostname and not (url.path or url.query or url.username):
        return []
    return [
        Error(
            f"PUBLIC_URL is {settings.PUBLIC_URL!r}, which is not the address of a site.",
            hint="Scheme, name and port only, such as https://desktops.example.org",
            id="portal.E004",
        )
    ]


@register()
def networks_are_networks(app_configs: Any, **kwargs: Any) -> list[Error]:
    return [
        Error(
            f"{name} names {network!r}, which is not a network.",
            hint="Networks in CIDR form, comma-separated, such as 10.0.0.0/8,192.168.0.10/32",
            id="portal.E005",
        )
        for name in ("DESKTOP_EGRESS_EXCEPT", "DESKTOP_DNS_CIDRS", "BACKUP_EGRESS_CIDRS")
        for network in getattr(settings, name)
        if not _is_network(network)
    ]


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True


@register()
def exposure_has_a_cluster(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    if settings.DESKTOP_EXPOSURE == "proxy" or settings.DESKTOP_RUNTIME == "kubernetes":
        return []
    return [
        Warning(
            "DESKTOP_EXPOSURE other than proxy needs a cluster: local desktops are reached through the portal only.",
            hint="Set DESKTOP_RUNTIME=kubernetes, or leave DESKTOP_EXPOSURE at proxy.",
            id="portal.W001",
        )
    ]


@register()
def port_ranges_are_apart(app_configs: Any, **kwargs: Any) -> list[Error]:
    vnc, ssh = settings.DESKTOP_VNC_PORTS, settings.DESKTOP_SSH_PORTS
    if vnc.stop <= ssh.start or ssh.stop <= vnc.start:
        return []
    return [
        Error(
            "DESKTOP_VNC_PORTS and DESKTOP_SSH_PORTS overlap.",
            hint="Give VNC and SSH ranges that share no port, within the cluster's own range of node ports.",
            id="portal.E006",
        )
    ]


@register()
def backups_have_a_key(app_configs: Any, **kwargs: Any) -> list[Error]:
    if not settings.BACKUP_REPOSITORY or len(settings.BACKUP_KEY) >= _BACKUP_KEY_LENGTH:
        return []
    return [
        Error(
            f"BACKUP_KEY has {len(settings.BACKUP_KEY)} characters; backups need {_BACKUP_KEY_LENGTH} or more.",
            hint="Make one with: openssl rand -base64 48. Keep a copy outside: without it no backup can be read.",
            id="portal.E007",
        )
    ]


@register()
def repository_is_reached_from_a_cluster(app_configs: Any, **kwargs: Any) -> list[Error]:
    where = settings.BACKUP_REPOSITORY
    if settings.DESKTOP_RUNTIME != "kubernetes" or not where or is_on_network(where):
        return []
    return [
        Error(
            "BACKUP_REPOSITORY cannot be reached from every node of a cluster with a password or keys alone.",
            hint="Use rest:, s3:, b2:, azure:, gs: or swift:, such as rest:https://backup.example.org",
            id="portal.E008",
        )
    ]
