"""Write the audit trail. Call inside the transaction of the deed: both are kept or neither."""

from dataclasses import dataclass
from typing import Any

from accounts.models import AuditEvent, User


@dataclass(frozen=True)
class Actor:
    """Who acts, and from which IP address."""

    user: User
    address: str | None = None


@dataclass(frozen=True)
class Stranger:
    """Somebody who has not signed in."""

    address: str | None = None


def record(action: str, *, by: Actor | Stranger | None, target: object = "", **details: Any) -> None:
    """`action` is a slug such as "desktop.launch"; `by` None: Podesk itself. `details`: JSON, free of secrets."""
    user = by.user if isinstance(by, Actor) else None
    AuditEvent.objects.create(
        actor=user,
        actor_name=user.get_username() if user else "",
        action=action,
        target=str(target)[:200],
        address=by.address if by else None,
        details=details,
    )
