"""What administrators do to accounts, the same from the admin's pages and over the API. Each function is one
transaction: rules, change, what follows from it for logins and streams, audit."""

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
    message = _("Only superusers may do this to members of the staff, and say who belongs to it.")
    next_step = _("Ask a superuser.")


class OwnAccount(Refusal):
    slug = "own_account"
    message = _("Nobody disables or deletes the own account.")
    next_step = _("Ask another administrator.")


class OwnPassword(Refusal):
    """Here nobody is asked for the present one: a token or a browser that was left open would be the whole account."""

    slug = "own_password"
    message = _("Your own password is not changed here.")
    next_step = _("Sign in to the portal and change it there, with your present password.")


class UsernameTaken(Refusal):
    slug = "username_taken"
    message = _("A user of this name exists already.")
    next_step = _("Choose another name.")


class PasswordWeak(Refusal):
    slug, status_code = "password_weak", 422
    next_step = _("Choose another password.")


class StillOwns(Refusal):
    slug = "still_owns"
    message = _("This user still owns desktops or files.")
    next_step = _("Delete them first, or disable the account instead.")


def manages(by: User, user: User) -> bool:
    """Staff may be given the right to change accounts. They must not make themselves more by it: whoever gives a
    person a new password can sign in as that person."""
    return by.is_superuser or user.pk == by.pk or not (user.is_superuser or user.is_staff)


@audited("user.add", target=lambda given: given["fields"]["username"])
@transaction.atomic
def add_user(*, fields: dict[str, Any], by: Actor) -> User:
    """`fields`: username, password and others of User. Raises SuperusersOnly, UsernameTaken, PasswordWeak."""
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
    """Raises SuperusersOnly, OwnAccount, OwnPassword, PasswordWeak."""
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
    """Also for forms that save by themselves; `fields` are those that changed."""
    named = [name for name in fields if "password" not in name]
    if added:
        audit.record("user.add", by=by, target=user, fields=named)
        return
    if "is_active" in named:
        named.remove("is_active")
        services.set_active(user=user, active=user.is_active, by=by)  # tells of it by itself
    if named:
        audit.record("user.change", by=by, target=user, fields=named)


@audited("user.delete", target=lambda given: given["user"])
@transaction.atomic
def delete_user(*, user: User, by: Actor) -> None:
    """Raises SuperusersOnly, OwnAccount, StillOwns."""
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
    """A group may give rights, as belonging to the staff does."""
    if by.user.is_superuser:
        return
    if fields.get("is_staff", user.is_staff) != user.is_staff:
        raise SuperusersOnly(field="is_staff")
    if set(fields.get("groups", groups)) != groups:
        raise SuperusersOnly(_("Only superusers say who is in which group."), field="groups")


def _refuse_weak(password: str, user: User) -> None:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise PasswordWeak(" ".join(error.messages), field="password")
