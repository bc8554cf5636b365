"""Session tokens: issue and verify. JWT, RS256, with the claims user_id, session_id, pod_name, created_at, expires_at,
permissions, resource_quota beside the registered iss, jti, iat, exp."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from accounts.models import User

PERMISSIONS = ("vnc", "ssh")


class TokenRefused(Exception):
    """`reason`: missing, malformed, expired, revoked. The text is for the log; it never holds the token."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason = reason


@dataclass(frozen=True)
class Claims:
    """What a verified token says."""

    jti: str
    user_id: str
    session_id: str
    pod_name: str  # object name of the desktop it opens
    permissions: frozenset[str]
    created_at: datetime
    expires_at: datetime
    resource_quota: dict[str, Any] = field(default_factory=dict)
