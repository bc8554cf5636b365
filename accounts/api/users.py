"""`admin/users`: manage accounts. The rules are in accounts.user_services."""

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


class PasswordField(Text):
    def __init__(self, **options: Any) -> None:
        style = {"input_type": "password"}
        super().__init__(max_length=4096, trim_whitespace=False, write_only=True, style=style, **options)


class UserChange(StrictSerializer):
    email = Email(max_length=254, allow_blank=True, required=False)
    first_name = Text(max_length=150, allow_blank=True, required=False)
    last_name = Text(max_length=150, allow_blank=True, required=False)
    is_active = Flag(
        required=False,
        help_text="false: the user cannot sign in; connections close at once, desktops stop within a minute.",
    )
    is_staff = Flag(required=False, help_text="May use the administration. Only superusers can change this.")
    password = PasswordField(required=False)
    groups = serializers.ListField(
        child=Text(max_length=150),
        max_length=100,
        required=False,
        help_text="Group names. Only superusers can change them.",
    )

    def validate_groups(self, names: list[str]) -> list[Group]:
        found = list(Group.objects.filter(name__in=names))
        if missing := set(names) - {group.name for group in found}:
            raise serializers.ValidationError(_("There is no such group: %(name)s.") % {"name": min(missing)})
        return found


class NewUser(UserChange):
    username = Username(max_length=150, trim_whitespace=False, validators=[UnicodeUsernameValidator()])
    password = PasswordField()


class UserOut(serializers.ModelSerializer[User]):
    groups = serializers.SerializerMethodField(help_text="Names.")

    class Meta:
        model = User
        fields = (
            *("id", "username", "email", "first_name", "last_name"),
            *("is_active", "is_staff", "is_superuser", "groups", "date_joined", "last_login"),
        )

    def get_groups(self, user: User) -> list[str]:
        return sorted(group.name for group in user.groups.all())


class UserQuery(PageQuery):
    q = Filter(max_length=150, help_text="Part of a username or of an email address.")
    group = Filter(max_length=150, help_text="Name of a group.")
    is_active = serializers.BooleanField(required=False)
    is_staff = serializers.BooleanField(required=False)
    ordering = serializers.ChoiceField([*_ORDERS, *(f"-{name}" for name in _ORDERS)], default="username")


class DeletedUserOut(serializers.Serializer[Any]):
    status = serializers.ChoiceField(["deleted"])
    id = serializers.UUIDField()


class Users(Endpoint):
    administers = {"GET": "accounts.view_user", "POST": "accounts.add_user"}
    tag = "Administration"
    operations = {
        "GET": Operation("listUsers", "All users", answered={200: page_example(examples.USER)}),
        "POST": Operation("createUser", "Add a user", sent=examples.NEW_USER, answered={201: examples.USER}),
    }

    @extend_schema(parameters=[UserQuery], responses=UserOut(many=True))
    def get(self, request: Request) -> Response:
        """List all accounts, by default sorted by name."""
        asked = self.query(UserQuery)
        return self.paged(_found(asked), asked, UserOut)

    @extend_schema(request=NewUser, responses={201: UserOut})
    def post(self, request: Request) -> Response:
        """Add a user. The password must satisfy the portal's rules."""
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
        "GET": Operation("getUser", "One user", answered={200: examples.USER}),
        "PATCH": Operation(
            "changeUser",
            "Change, disable or enable a user",
            sent={"is_active": False},
            answered={200: examples.USER | {"is_active": False}},
        ),
        "DELETE": Operation(
            "deleteUser",
            "Delete a user who owns no desktops or files",
            answered={200: {"status": "deleted", "id": examples.USER_ID}},
        ),
    }

    @extend_schema(responses=UserOut)
    def get(self, request: Request, user_id: UUID) -> Response:
        self.query(EmptySerializer)
        return Response(UserOut(_user(user_id)).data)

    @extend_schema(request=UserChange, responses=UserOut)
    def patch(self, request: Request, user_id: UUID) -> Response:
        """Change the fields that you send. A new password or disabling ends all logins and tokens of the user."""
        self.query(EmptySerializer)
        user = _user(user_id)
        user_services.change_user(user=user, fields=self.body(UserChange), by=self.actor)
        return Response(UserOut(user).data)

    @extend_schema(request=None, responses={200: DeletedUserOut})
    def delete(self, request: Request, user_id: UUID) -> Response:
        """Delete a user who no longer owns desktops or kept files."""
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
