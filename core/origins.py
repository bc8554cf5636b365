"""Check which pages may open our WebSockets: the portal's own pages only."""

from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import split_domain_port, validate_host
from django.utils.http import is_same_domain


def is_allowed(headers: list[tuple[str, str]], scheme: str) -> bool:
    """Whether the Origin header is allowed. Names in `headers` are lower-case.

    A browser always sends the header; a script may omit it.
    """
    origins = [value for name, value in headers if name == "origin"]
    host = next((value for name, value in headers if name == "host"), "")
    return len(origins) <= 1 and all(_is_ours(origin, scheme, host) for origin in origins)


def _is_ours(origin: str, scheme: str, host: str) -> bool:
    if origin == f"{'https' if scheme in ('wss', 'https') else 'http'}://{host}":
        return validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS)
    try:
        given = urlsplit(origin)
    except ValueError:
        return False
    trusted = (urlsplit(text) for text in settings.CSRF_TRUSTED_ORIGINS)  # PUBLIC_URL is the first
    return any(given.scheme == one.scheme and is_same_domain(given.netloc, one.netloc.lstrip("*")) for one in trusted)
