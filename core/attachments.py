"""Answer with a file that other people may have made: browsers save it and never show or run it."""

from collections.abc import AsyncIterator
from urllib.parse import quote

from django.http import StreamingHttpResponse

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 !#$&'()+,-.;=@[]^_`{}~")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}


def attachment(chunks: AsyncIterator[bytes], *, name: str, size: int) -> StreamingHttpResponse:
    """Return a response that streams `size` bytes as a file of this name."""
    response = StreamingHttpResponse(chunks, content_type="application/octet-stream")
    response["Content-Length"] = str(size)
    response["Content-Disposition"] = disposition(name)
    for header, value in _HEADERS.items():
        response[header] = value
    return response


def disposition(name: str) -> str:
    """Return the header with any name: in full by RFC 6266, and in plain ASCII for clients that do not know that."""
    plain = "".join(letter if letter in _PLAIN else "_" for letter in name)
    full = quote(name.encode("utf-8", "replace"), safe="")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{full}"
