"""Map HTTP methods to those that permissions and rate limits are declared for."""


def read_as(method: str | None) -> str:
    """Return the method, or GET for HEAD: it has no body, but it reveals whether the object exists and its size."""
    return "GET" if method == "HEAD" else str(method)
