"""Define the URL converter for the object name of a desktop."""


class PodName:
    """Matches a DNS label. Other values lead to a 404."""

    regex = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value
