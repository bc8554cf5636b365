"""Write the audit trail. Call inside the transaction of the deed: both are kept or neither.

A refused deed is rolled back and leaves nothing behind, so `audited` tells of it afterwards."""

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
    """Who acts, and from which IP address."""

    user: User
    address: str | None = None


@dataclass(frozen=True)
class Stranger:
    """Somebody who has not signed in, or whose account is gone; then there is still a name."""

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
    """`action` is a slug such as "desktop.launch"; `by` None: Podesk itself; `pod_name`: of the desktop that it is
    about; `result`: "done", or the slug of the refusal. `details`: JSON, free of secrets."""
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
    """A service that is refused is told of with the slug of the refusal; `target` finds what the deed was about in the
    service's arguments, `more` what else record() takes. Stands above `transaction.atomic`: what it writes comes after
    the rollback of the deed.

    Within a wider transaction it is kept or lost with that one. So of services that call each other only the outermost
    tells, once."""

    def decorate(service: Callable[Given, Made]) -> Callable[Given, Made]:
        @wraps(service)
        def told(*args: Given.args, **given: Given.kwargs) -> Made:
            try:
                return service(*args, **given)
            except Refusal as refused:
                by: Any = given["by"]
                record_refusal(action, by=by, target=target(given), result=refused.slug, **more(given))
                raise

        return told

    return decorate


@transaction.atomic
def record_refusal(action: str, *, by: Actor, target: object, result: str, **more: Any) -> None:
    """Outside the transaction of the deed, which was rolled back or never began."""
    # Locked: an account that is deleted in this moment is none that the event could point to.
    there = User.objects.select_for_update(no_key=True).filter(pk=by.user.pk).exists()
    who = by if there else Stranger(by.address, by.user.get_username())
    record(action, by=who, target=target, result=result, **more)


def printable(text: str) -> str:
    """What was asked for may hold anything, also what no database takes."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
