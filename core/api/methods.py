"""HTTP methods, as permissions and rate limits see them."""


def read_as(method: str | None) -> str:
    """Treat HEAD like GET: it has no body, but reveals whether the object exists and its size."""
    return "GET" if method == "HEAD" else str(method)
