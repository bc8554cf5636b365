"""Find the client's IP address. Only our own proxies are trusted to report it."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest


def address(request: HttpRequest) -> str:
    """Return the client's IP address; empty for a request over a UNIX socket without a proxy."""
    return address_of(request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_X_FORWARDED_FOR", ""))


def address_of(peer: str, forwarded_for: str) -> str:
    """Return the client's IP address, from the socket's peer and the X-Forwarded-For header.

    Only the last TRUSTED_PROXY_COUNT entries of the header are used: our own proxies appended them.
    A client can forge all entries before them.
    """
    hops = [_clean(hop) for hop in forwarded_for.split(",")[-settings.TRUSTED_PROXY_COUNT :]]
    if settings.TRUSTED_PROXY_COUNT and hops[0]:
        return hops[0]
    return _clean(peer)


def counted(address: str) -> str:
    """Return what rate limits count: an IPv4 address, or a /64 network, since an IPv6 client owns all of its /64."""
    return str(ip_network((address, 64), strict=False).network_address) if ":" in address else address


@lru_cache(maxsize=4096)  # called several times per request
def _clean(text: str) -> str:
    """Return the address in canonical form, without port; empty if the text is not an address."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return str(mapped or found)
