"""The client's IP address, of which only our own proxies may say what it is."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest


def address(request: HttpRequest) -> str:
    """The client's IP address; empty where the server was reached over a UNIX socket without a proxy's word."""
    return address_of(request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_X_FORWARDED_FOR", ""))


def address_of(peer: str, forwarded_for: str) -> str:
    """`peer` is the socket's other end. Of X-Forwarded-For only what our own proxies appended counts: the last
    TRUSTED_PROXY_COUNT entries. What stands left of them, anybody may have written."""
    hops = [_clean(hop) for hop in forwarded_for.split(",")[-settings.TRUSTED_PROXY_COUNT :]]
    if settings.TRUSTED_PROXY_COUNT and hops[0]:
        return hops[0]
    return _clean(peer)


def counted(address: str) -> str:
    """Whom limits count: of IPv6 the network of 64 bits, since whoever has one address there has all of them."""
    return str(ip_network((address, 64), strict=False).network_address) if ":" in address else address


@lru_cache(maxsize=4096)  # each request asks several times
def _clean(text: str) -> str:
    """One spelling per address, without port; empty for what is no address."""
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
