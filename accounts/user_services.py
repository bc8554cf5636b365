"""Manage accounts, with the same rules for the admin and the API.

Each service is one transaction: rules, change, the consequences for logins and streams, audit.
"""

from typing import Any

from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.utils.translation import gettext_lazy as _

from accounts import audit, services
from accounts.audit import Actor, audited
from accounts.models import User
from core.errors import Refusal


class SuperusersOnly(Refusal):
    slug, status_code = "superusers_only", 403
    message = _("Only superusers can do this to staff members, or change who is a staff member.")
    next_step = _("Ask a superuser.")


class OwnAccount(Refusal):
    slug = "own_account"
    message = _("You cannot disable or delete your own account.")
    next_step = _("Ask another administrator.")


class OwnPassword(Refusal):
    """Setting a password here does not ask for the current one, so a stolen token or an open browser would suffice."""

    slug = "own_password"
    message = _("You cannot change your own password here.")
    next_step = _("Sign in to the portal and change it there with your current password.")


class UsernameTaken(Refusal):
    slug = "username_taken"
    message = _("A user with this name already exists.")
    next_step = _("Choose another name.")


class PasswordWeak(Refusal):
    slug, status_code = "password_weak", 422
    next_step = _("Choose another password.")


class StillOwns(Refusal):
    slug = "still_owns"
    message = _("This user still owns desktops, files or backups.")
    next_step = _("Delete them first, or disable the account instead.")


def manages(by: User, user: User) -> bool:
    """Whether `by` may manage `user`. Only superusers manage staff.

    Staff with the right to change accounts must not gain more rights, and setting a password is enough to sign in as
    that person.
    """
    return by.is_superuser or user.pk == by.pk or not (user.is_superuser or user.is_staff)


@audited("user.add", target=lambda given: given["fields"]["username"])
@transaction.atomic
def add_user(*, fields: dict[str, Any], by: Actor) -> User:
    """Create an account. `fields` are username, password and other fields of User.

    Raises SuperusersOnly, UsernameTaken, PasswordWeak.
    """
    fields = dict(fields)
    _refuse_rights(fields, User(), set(), by)
    password, groups = fields.pop("password"), fields.pop("groups", None)
    user = User(**fields)
    _refuse_weak(password, user)
    user.set_password(password)
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError:
        raise UsernameTaken(field="username")
    if groups:
        user.groups.set(groups)
    was_saved(user=user, fields=["password", *fields, *(["groups"] if groups else [])], by=by, added=True)
    return user


@audited("user.change", target=lambda given: given["user"])
@transaction.atomic
def change_user(*, user: User, fields: dict[str, Any], by: Actor) -> None:
    """Change fields of an account. Raises SuperusersOnly, OwnAccount, OwnPassword, PasswordWeak."""
    fields = dict(fields)
    _refuse_above(user, by)
    groups_before = set(user.groups.all())
    _refuse_rights(fields, user, groups_before, by)
    if user.pk == by.user.pk and not fields.get("is_active", True):
        raise OwnAccount(field="is_active")
    if user.pk == by.user.pk and "password" in fields:
        raise OwnPassword(field="password")
    password, groups = fields.pop("password", None), set(fields.pop("groups", groups_before))
    changed = [name for name, value in fields.items() if getattr(user, name) != value]
    for name in changed:
        setattr(user, name, fields[name])
    if changed:
        user.save(update_fields=changed)
    if groups != groups_before:
        user.groups.set(groups)
        changed.append("groups")
    if changed:
        was_saved(user=user, fields=changed, by=by)
    if password is not None:
        _refuse_weak(password, user)
        services.change_password(user=user, password=password, by=by)


@transaction.atomic
def was_saved(*, user: User, fields: list[str], by: Actor, added: bool = False) -> None:
    """Audit a saved account and apply the consequences; `fields` are the changed ones. Forms that save call it."""
    named = [name for name in fields if "password" not in name]
    if added:
        audit.record("user.add", by=by, target=user, fields=named)
        return
    if "is_active" in named:
        named.remove("is_active")
        services.set_active(user=user, active=user.is_active, by=by)  # writes its own audit event
    if named:
        audit.record("user.change", by=by, target=user, fields=named)


@audited("user.delete", target=lambda given: given["user"])
@transaction.atomic
def delete_user(*, user: User, by: Actor) -> None:
    """Delete an account. Raises SuperusersOnly, OwnAccount, StillOwns."""
    _refuse_above(user, by)
    if user.pk == by.user.pk:
        raise OwnAccount
    try:
        services.delete_user(user=user, by=by)
    except ProtectedError:
        raise StillOwns


def _refuse_above(user: User, by: Actor) -> None:
    if not manages(by.user, user):
        raise SuperusersOnly


def _refuse_rights(fields: dict[str, Any], user: User, groups: set[Group], by: Actor) -> None:
    """Refuse changes of rights by others than superusers. A group may give rights too."""
    if by.user.is_superuser:
        return
    if fields.get("is_staff", user.is_staff) != user.is_staff:
        raise SuperusersOnly(field="is_staff")
    if set(fields.get("groups", groups)) != groups:
        raise SuperusersOnly(_("Only superusers can change who is in which group."), field="groups")


def _refuse_weak(password: str, user: User) -> None:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise PasswordWeak(" ".join(error.messages), field="password")
