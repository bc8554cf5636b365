"""Older accounts whose names differ only by case or Unicode form: list them, and rename all but one of each."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q

from accounts import audit
from accounts.models import User
from accounts.usernames import username_key


class UnusableChoice(ValueError):
    """An option cannot be used. The text says which and why."""


@dataclass(frozen=True)
class Renaming:
    """One step of a plan. Empty `new`: the name stays and only the missing key is filled in."""

    user: User
    new: str


def clashes() -> list[list[User]]:
    """Return the groups of accounts that share a name, oldest first. Without clashes, one query."""
    unresolved = User.objects.filter(username_key=None)
    keys = {username_key(name) for name in unresolved.values_list("username", flat=True)}
    if not keys:
        return []
    groups: dict[str, list[User]] = {key: [] for key in sorted(keys)}
    for user in User.objects.filter(Q(username_key=None) | Q(username_key__in=keys)).order_by("date_joined", "pk"):
        groups[username_key(user.username)].append(user)
    return list(groups.values())


def plan(*, keep: Iterable[str] = (), rename: dict[str, str] | None = None) -> list[Renaming]:
    """Return what to do so that no names clash.

    `keep` has names to keep instead of the oldest account's; `rename` maps old names to new ones. Raises
    UnusableChoice.
    """
    keep, rename, groups = set(keep), rename or {}, clashes()
    _refuse_unknown(keep | rename.keys(), groups)
    taken = {username_key(name) for name in User.objects.values_list("username", flat=True)}
    todo = []
    for users in groups:
        kept = _kept(users, keep, rename)
        todo += [Renaming(user, _new_name(user, rename, taken)) for user in users if user != kept]
        if kept:
            todo.append(Renaming(kept, ""))
    return todo


@transaction.atomic
def resolve(renamings: Iterable[Renaming]) -> None:
    """Carry out a plan. Each renaming is audited; logins, desktops and files stay."""
    todo = list(renamings)
    User.objects.filter(pk__in=[each.user.pk for each in todo]).update(
        username_key=None
    )  # so that names can be swapped
    for each in todo:
        old, new = each.user.username, each.new or each.user.username
        User.objects.filter(pk=each.user.pk).update(username=new, username_key=username_key(new))
        if new != old:
            audit.record("user.rename", by=None, target=new, old=old, new=new)


def _refuse_unknown(chosen: Iterable[str], groups: list[list[User]]) -> None:
    clashing = {user.username for users in groups for user in users}
    for name in sorted(set(chosen) - clashing):
        raise UnusableChoice(f"{name} clashes with no other name.")


def _kept(users: list[User], keep: set[str], rename: dict[str, str]) -> User | None:
    """Return the account that keeps the name: the chosen one, else the oldest that is not renamed."""
    chosen = [user for user in users if user.username in keep]
    if len(chosen) > 1 or any(user.username in rename for user in chosen):
        raise UnusableChoice(f"The choice to keep {chosen[0].username} contradicts another choice.")
    staying = chosen or [user for user in users if user.username not in rename]
    return staying[0] if staying else None


def _new_name(user: User, rename: dict[str, str], taken: set[str]) -> str:
    new = rename.get(user.username) or _free_name(user.username, taken)
    if username_key(new) in taken:
        raise UnusableChoice(f"{new} is taken.")
    _validate(new)
    taken.add(username_key(new))
    return new


def _validate(name: str) -> None:
    User._meta.get_field("username").run_validators(name)


def _free_name(name: str, taken: set[str]) -> str:
    number = 2
    while username_key(free := f"{name[:140]}-{number}") in taken:
        number += 1
    return free
