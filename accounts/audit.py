"""Write the audit trail. Call inside the transaction of the deed: both are kept or neither."""

from typing import Any

from accounts.models import AuditEvent, User


def record(action: str, *, actor: User | None, target: object = "", address: str | None = None, **details: Any) -> None:
    """`action` is a slug such as "desktop.launch"; `details` must be JSON and free of secrets."""
    AuditEvent.objects.create(
        actor=actor,
        actor_name=actor.get_username() if actor else "",
        action=action,
        target=str(target)[:200],
        address=address,
        details=details,
    )
