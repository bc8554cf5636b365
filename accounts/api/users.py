"""Manage accounts at `admin/users`. accounts.user_services contains the rules."""

from functools import reduce
from operator import or_
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import user_services
from accounts.api import examples
from accounts.api.endpoint import Endpoint
from accounts.api.fields import Username
from accounts.models import User
from core.api.fields import Email, Filter, Flag, Text
from core.api.operations import Operation, page_example
from core.api.serializers import EmptySerializer, PageQuery, StrictSerializer

_ORDERS = ("username", "email", "date_joined", "last_login")
_SEARCHED = ("username", "email", "first_name", "last_name")
_HELP = {
    "id": "ID of the user.",
    "username": "Name to sign in with.",
    "email": "Email address. May be empty.",
    "first_name": "First name. May be empty.",
    "last_name": "Last name. May be empty.",
    "is_active": "Whether the user can sign in.",
    "is_staff": "Whether the user may use the administration.",
    "is_superuser": "Whether the user has all permissions.",
    "groups": "Names of the user's groups.",
    "date_joined": "Time when the account was created.",
    "last_login": "Time of the last login. Null if the user has never signed in.",
}


class PasswordField(Text):
    def __init__(self, **options: Any) -> None:
        style = {"input_type": "password"}
        options["help_text"] = "Password. It must satisfy the portal's rules."
        super().__init__(max_length=4096, trim_whitespace=False, write_only=True, style=style, **options)


class UserChange(StrictSerializer):
    """The fields of a user to change. All are optional."""

    email = Email(max_length=254, allow_blank=True, required=False, help_text=_HELP["email"])
    first_name = Text(max_length=150, allow_blank=True, required=False, help_text=_HELP["first_name"])
    last_name = Text(max_length=150, allow_blank=True, required=False, help_text=_HELP["last_name"])
    is_active = Flag(
        required=False,
        help_text=f"{_HELP['is_active']} false also closes their connections at once and stops their desktops within "
        "a minute.",
    )
    is_staff = Flag(required=False, help_text=f"{_HELP['is_staff']} Only superusers can change this.")
    password = PasswordField(required=False)
    groups = serializers.ListField(
        child=Text(max_length=150),
        max_length=100,
        required=False,
        help_text=f"{_HELP['groups']} Only superusers can change them.",
    )

    def validate_groups(self, names: list[str]) -> list[Group]:
        found = list(Group.objects.filter(name__in=names))
        if missing := set(names) - {group.name for group in found}:
            raise serializers.ValidationError(_("Unknown group: %(name)s.") % {"name": min(missing)})
        return found


class NewUser(UserChange):
    """A new user."""

    username = Username(
        max_length=150,
        trim_whitespace=False,
        validators=[UnicodeUsernameValidator()],
        help_text=f"{_HELP['username']} Letters, digits and @ . + - _ are allowed.",
    )
    password = PasswordField()


class UserOut(serializers.ModelSerializer[User]):
    """A user account."""

    groups = serializers.SerializerMethodField(help_text=_HELP["groups"])

    class Meta:
        model = User
        fields = (
            *("id", "username", "email", "first_name", "last_name"),
            *("is_active", "is_staff", "is_superuser", "groups", "date_joined", "last_login"),
        )
        extra_kwargs = {name: {"help_text": _HELP[name]} for name in fields if name != "groups"}

    def get_groups(self, user: User) -> list[str]:
        return sorted(group.name for group in user.groups.all())


class UserQuery(PageQuery):
    q = Filter(max_length=150, help_text="Text to search for in usernames, email addresses and names.")
    group = Filter(max_length=150, help_text="Name of a group. Returns only its members.")
    is_active = serializers.BooleanField(
        required=False, help_text="true returns only enabled users, false only disabled ones."
    )
    is_staff = serializers.BooleanField(
        required=False, help_text="true returns only users who may use the administration, false only others."
    )
    ordering = serializers.ChoiceField(
        [*_ORDERS, *(f"-{name}" for name in _ORDERS)],
        default="username",
        help_text="Field to sort by. A leading - reverses the order.",
    )


class DeletedUserOut(serializers.Serializer[Any]):
    """Confirmation that a user was deleted."""

    status = serializers.ChoiceField(["deleted"], help_text='Always "deleted".')
    id = serializers.UUIDField(help_text="ID of the deleted user.")


class Users(Endpoint):
    administers = {"GET": "accounts.view_user", "POST": "accounts.add_user"}
    tag = "Administration"
    operations = {
        "GET": Operation("listUsers", "List users", answered={200: page_example(examples.USER)}),
        "POST": Operation("createUser", "Create a user", sent=examples.NEW_USER, answered={201: examples.USER}),
    }

    @extend_schema(parameters=[UserQuery], responses=UserOut(many=True))
    def get(self, request: Request) -> Response:
        """Return the users that match the filters, by default sorted by username."""
        asked = self.query(UserQuery)
        return self.paged(_found(asked), asked, UserOut)

    @extend_schema(request=NewUser, responses={201: UserOut})
    def post(self, request: Request) -> Response:
        """Create a user. Usernames are unique in any case and Unicode form."""
        self.query(EmptySerializer)
        user = user_services.add_user(fields=self.body(NewUser), by=self.actor)
        return Response(UserOut(user).data, status=201)


class OneUser(Endpoint):
    administers = {
        "GET": "accounts.view_user",
        "PATCH": "accounts.change_user",
        "DELETE": "accounts.delete_user",
    }
    tag = "Administration"
    operations = {
        "GET": Operation("getUser", "Get a user", answered={200: examples.USER}),
        "PATCH": Operation(
            "changeUser",
            "Update a user",
            sent={"is_active": False},
            answered={200: examples.USER | {"is_active": False}},
        ),
        "DELETE": Operation(
            "deleteUser",
            "Delete a user",
            answered={200: {"status": "deleted", "id": examples.USER_ID}},
        ),
    }

    @extend_schema(responses=UserOut)
    def get(self, request: Request, user_id: UUID) -> Response:
        """Return a user."""
        self.query(EmptySerializer)
        return Response(UserOut(_user(user_id)).data)

    @extend_schema(request=UserChange, responses=UserOut)
    def patch(self, request: Request, user_id: UUID) -> Response:
        """Change the fields that you send. A new password, or disabling the user, ends all their logins and tokens."""
        self.query(EmptySerializer)
        user = _user(user_id)
        user_services.change_user(user=user, fields=self.body(UserChange), by=self.actor)
        return Response(UserOut(user).data)

    @extend_schema(request=None, responses={200: DeletedUserOut})
    def delete(self, request: Request, user_id: UUID) -> Response:
        """Delete a user who owns no desktops and no kept files."""
        self.query(EmptySerializer)
        self.body(EmptySerializer)
        user_services.delete_user(user=_user(user_id), by=self.actor)
        return Response({"status": "deleted", "id": str(user_id)})


def _user(user_id: UUID) -> User:
    return get_object_or_404(User, pk=user_id)


def _found(asked: dict[str, Any]) -> QuerySet[User]:
    rows = User.objects.filter(**{name: asked[name] for name in ("is_active", "is_staff") if name in asked})
    if "group" in asked:
        rows = rows.filter(groups__name=asked["group"])
    if text := asked.get("q"):
        rows = rows.filter(reduce(or_, (Q(**{f"{name}__icontains": text}) for name in _SEARCHED)))
    return rows.prefetch_related("groups").order_by(asked["ordering"], "pk")
