"""HTTP methods, as permissions and rate limits take them."""


def read_as(method: str | None) -> str:
    """HEAD is GET without the body: whoever may not see the one may not ask for the size of the other."""
    return "GET" if method == "HEAD" else str(method)
