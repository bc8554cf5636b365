"""Decide whether an address is a page of the portal that a person can open, so that a redirect may lead there."""

import re
from urllib.parse import urlsplit

from django.urls import Resolver404, ResolverMatch, resolve

_PAGES = {
    "desktops:home",
    "desktops:detail",
    "desktops:log",
    "desktops:viewer",
    "accounts:password_change",
    "accounts:ssh_keys",
    "accounts:time_zone",
    "accounts:tokens",
    "admin_overview",
    "admin_password_change",
    "api_docs",
}
_NO_PAGES = {"admin:autocomplete", "admin:jsi18n"}  # all other addresses of the admin are pages
# Browsers change other paths before they send them: "/x/../y" is "/y", and "/%79" is "/y" for the server.
_PLAIN = re.compile(r"(/[\w-]+)*/?", re.ASCII)


def is_page(address: str) -> bool:
    """Return whether a signed-in person can open this address of the portal. The host is not checked."""
    match = _match(address)
    if match is None:
        return False
    in_admin = "admin" in match.namespaces and match.url_name and match.view_name not in _NO_PAGES
    return bool(in_admin) or match.view_name in _PAGES


def is_other_address(address: str) -> bool:
    """Return whether the address exists but is no page, such as that of a button."""
    match = _match(address)
    return match is not None and match.view_name != "accounts:login" and not is_page(address)


def _match(address: str) -> ResolverMatch | None:
    path = urlsplit(address).path
    if not _PLAIN.fullmatch(path):
        return None
    try:
        return resolve(path if path.endswith("/") else f"{path}/")
    except Resolver404:
        return None
