"""Metrics of signing in: failed logins and refused tokens."""

from prometheus_client import Counter

_FAILED_LOGINS = Counter("podesk_failed_logins", "Failed logins on page and API.", ["result"])
for _result in ("wrong_password", "locked"):  # from 0 on, so that Prometheus sees the first ones as an increase
    _FAILED_LOGINS.labels(_result)
_TOKENS_REFUSED = Counter("podesk_tokens_refused", "Session tokens that were not accepted.", ["reason"])


def count_failed_login(*, locked: bool) -> None:
    _FAILED_LOGINS.labels("locked" if locked else "wrong_password").inc()


def count_refused_token(reason: str) -> None:
    """Count a refusal. `reason` is that of accounts.tokens.TokenRefused."""
    _TOKENS_REFUSED.labels(reason).inc()
