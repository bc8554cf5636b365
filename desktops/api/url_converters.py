"""Match the name of a desktop's objects in a URL."""


class PodName:
    """Match a DNS label. Anything else is not found (404)."""

    regex = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value
