"""Write the audit trail.

Record an event in the transaction of the action itself, so that both are kept or neither is. A refused action is
rolled back, so `audited` records the refusal afterwards.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.db import transaction

from accounts.models import AuditEvent, User
from core.errors import Refusal

Given = ParamSpec("Given")
Made = TypeVar("Made")


@dataclass(frozen=True)
class Actor:
    """The user who acts, and their IP address."""

    user: User
    address: str | None = None


@dataclass(frozen=True)
class Stranger:
    """A person who has not signed in, or whose account was deleted: only a name and an address are known."""

    address: str | None = None
    name: str = ""


def record(
    action: str,
    *,
    by: Actor | Stranger | None,
    target: object = "",
    pod_name: str = "",
    result: str = "done",
    **details: Any,
) -> None:
    """Record one event.

    Args:
        action: A slug such as "desktop.launch".
        by: None for Podesk itself.
        pod_name: The object name of the desktop that the event is about.
        result: "done", or the slug of the refusal.
        details: JSON-serializable values without secrets.
    """
    user = by.user if isinstance(by, Actor) else None
    name = by.name if isinstance(by, Stranger) else user.get_username() if user else ""
    AuditEvent.objects.create(
        actor=user,
        actor_name=name,
        action=action,
        target=printable(str(target)[:200]),
        pod_name=pod_name,
        address=by.address if by else None,
        result=result[:50],
        details=details,
    )


def audited(
    action: str,
    *,
    target: Callable[[Any], object] = lambda given: "",
    more: Callable[[Any], dict[str, Any]] = lambda given: {},
) -> Callable[[Callable[Given, Made]], Callable[Given, Made]]:
    """Decorate a service so that its refusals are recorded, with the slug of the refusal as result.

    Apply it outside `transaction.atomic`, so that the event is written after the rollback. Inside a wider transaction
    the event is kept or lost with that transaction, so only the outermost of several services records the refusal.

    Args:
        target: Returns what the action was about, from the service's arguments.
        more: Returns further arguments for record().
    """

    def decorate(service: Callable[Given, Made]) -> Callable[Given, Made]:
        @wraps(service)
        def recorded(*args: Given.args, **given: Given.kwargs) -> Made:
            try:
                return service(*args, **given)
            except Refusal as refused:
                by: Any = given["by"]
                record_refusal(action, by=by, target=target(given), result=refused.slug, **more(given))
                raise

        return recorded

    return decorate


@transaction.atomic
def record_refusal(action: str, *, by: Actor, target: object, result: str, **more: Any) -> None:
    """Record a refusal. Call it outside the transaction of the action, which was rolled back or never began."""
    # Locked, so that the event cannot refer to an account that is deleted at the same time.
    there = User.objects.select_for_update(no_key=True).filter(pk=by.user.pk).exists()
    who = by if there else Stranger(by.address, by.user.get_username())
    record(action, by=who, target=target, result=result, **more)


def printable(text: str) -> str:
    """Replace unprintable characters, since requests may contain text that no database can store."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
