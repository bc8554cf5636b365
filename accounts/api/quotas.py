"""Manage quotas at `admin/quotas`: the default, those of groups and users, and a user's effective quota."""

from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import quota_services, quotas
from accounts.api import examples
from accounts.api.endpoint import Endpoint
from accounts.api.fields import QuotaCores
from accounts.models import BackupPolicy, Quota, User
from accounts.quota_services import LIMITS
from core.api.fields import Count, Filter
from core.api.operations import Operation, page_example
from core.api.serializers import EmptySerializer, PageQuery, StrictSerializer

_INHERITED: dict[str, Any] = {"required": False, "allow_null": True}
_HELP = {
    "cpu": "Maximum CPU cores of all active desktops together.",
    "memory_mib": "Maximum memory of all active desktops together, in MiB.",
    "storage_gib": "Maximum size of all home folders together, in GiB.",
    "gpu": "Maximum number of GPUs of all active desktops together.",
    "desktops": "Maximum number of desktops.",
    "max_lifetime_minutes": "Minutes from its start until a desktop is stopped. 0 means never.",
    "idle_minutes": "Minutes without any input (keyboard, mouse, clipboard) until a desktop is stopped. 0 means never.",
    "backups": "How often home folders are backed up by schedule. Backups on request are always possible.",
    "backup_storage_gib": "Maximum size of all backups together, in GiB. 0 means no limit.",
}
_NUMBERS = tuple(name for name in LIMITS if name != "backups")


class QuotaChange(StrictSerializer):
    """The limits to change. A limit that is null is inherited from the groups' quotas or the default."""

    cpu = QuotaCores(help_text=_HELP["cpu"], **_INHERITED)
    memory_mib = Count(help_text=_HELP["memory_mib"], **_INHERITED)
    storage_gib = Count(help_text=_HELP["storage_gib"], **_INHERITED)
    gpu = Count(help_text=_HELP["gpu"], **_INHERITED)
    desktops = Count(help_text=_HELP["desktops"], **_INHERITED)
    max_lifetime_minutes = Count(help_text=_HELP["max_lifetime_minutes"], **_INHERITED)
    idle_minutes = Count(help_text=_HELP["idle_minutes"], **_INHERITED)
    backups = serializers.ChoiceField(BackupPolicy.choices, help_text=_HELP["backups"], **_INHERITED)
    backup_storage_gib = Count(help_text=_HELP["backup_storage_gib"], **_INHERITED)


class NewQuota(QuotaChange):
    """The quota of a user or of a group. Without `user` and `group`, it is the default quota."""

    user = serializers.PrimaryKeyRelatedField(
        queryset=User.objects.all(), pk_field=serializers.UUIDField(), help_text="ID of a user.", **_INHERITED
    )
    group = serializers.SlugRelatedField(
        queryset=Group.objects.all(), slug_field="name", help_text="Name of a group.", **_INHERITED
    )


class QuotaOut(serializers.ModelSerializer[Quota]):
    """A quota. A limit that is null is inherited from the groups' quotas or the default."""

    cpu = serializers.DecimalField(
        max_digits=6, decimal_places=2, normalize_output=True, allow_null=True, help_text=_HELP["cpu"]
    )
    backups = serializers.ChoiceField(BackupPolicy.choices, allow_null=True, help_text=_HELP["backups"])
    username = serializers.CharField(
        source="user.username", default=None, allow_null=True, help_text="Name of the user. Null if it has no user."
    )
    group = serializers.CharField(
        source="group.name", default=None, allow_null=True, help_text="Name of the group. Null if it has no group."
    )

    class Meta:
        model = Quota
        # The same range as in requests: the range of the model's fields depends on the database.
        extra_kwargs: dict[str, dict[str, Any]] = {
            name: {"max_value": Count.MOST, "help_text": _HELP[name]} for name in _NUMBERS if name != "cpu"
        } | {
            "id": {"help_text": "ID of the quota."},
            "user": {"help_text": "ID of the user. Null if it has no user."},
        }
        fields = ("id", "user", "username", "group", *LIMITS)


class QuotaQuery(PageQuery):
    user = serializers.UUIDField(required=False, help_text="ID of a user. Returns only the quota of this user.")
    group = Filter(max_length=150, help_text="Name of a group. Returns only the quota of this group.")


class LimitOut(serializers.Serializer[quotas.Limit[Any]]):
    """An effective limit and its source."""

    limit = serializers.DecimalField(
        source="value", max_digits=12, decimal_places=2, normalize_output=True, help_text="Effective limit."
    )
    source: Any = serializers.CharField(help_text="Quota that sets the limit, in your language.")


class PolicyOut(serializers.Serializer[quotas.Limit[Any]]):
    """An effective policy and its source."""

    policy = serializers.ChoiceField(BackupPolicy.choices, source="value", help_text=_HELP["backups"])
    source: Any = serializers.CharField(help_text="Quota that sets the policy, in your language.")


class LimitsOut(serializers.Serializer[quotas.EffectiveQuota]):
    """All effective limits of a user."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {name: LimitOut() if name in _NUMBERS else PolicyOut() for name in LIMITS}


class EffectiveQuotaOut(serializers.Serializer[Any]):
    """The effective quota of a user."""

    user = serializers.UUIDField(help_text="ID of the user.")
    username = serializers.CharField(help_text="Name of the user.")
    quota = LimitsOut()


class DeletedQuotaOut(serializers.Serializer[Any]):
    """Confirmation that a quota was deleted."""

    status = serializers.ChoiceField(["deleted"], help_text='Always "deleted".')
    id = serializers.IntegerField(help_text="ID of the deleted quota.")


class Quotas(Endpoint):
    administers = {"GET": "accounts.view_quota", "POST": "accounts.add_quota"}
    tag = "Administration"
    operations = {
        "GET": Operation("listQuotas", "List quotas", answered={200: page_example(examples.QUOTA)}),
        "POST": Operation("createQuota", "Create a quota", sent=examples.NEW_QUOTA, answered={201: examples.QUOTA}),
    }

    @extend_schema(parameters=[QuotaQuery], responses=QuotaOut(many=True))
    def get(self, request: Request) -> Response:
        """Return the quotas that match the filters, in order of creation."""
        asked = self.query(QuotaQuery)
        named = {"user": "user_id", "group": "group__name"}
        rows = Quota.objects.filter(**{lookup: asked[name] for name, lookup in named.items() if name in asked})
        return self.paged(rows.select_related("user", "group").order_by("pk"), asked, QuotaOut)

    @extend_schema(request=NewQuota, responses={201: QuotaOut})
    def post(self, request: Request) -> Response:
        """Create the quota of a user or a group, or the default quota. Each can have only one."""
        self.query(EmptySerializer)
        fields = self.body(NewQuota)
        quota = Quota(**fields)
        quota_services.add_quota(quota=quota, fields=fields, by=self.actor)
        return Response(QuotaOut(quota).data, status=201)


class OneQuota(Endpoint):
    administers = {
        "GET": "accounts.view_quota",
        "PATCH": "accounts.change_quota",
        "DELETE": "accounts.delete_quota",
    }
    tag = "Administration"
    operations = {
        "GET": Operation("getOneQuota", "Get a quota", answered={200: examples.QUOTA}),
        "PATCH": Operation(
            "changeQuota", "Update a quota", sent={"desktops": 3}, answered={200: examples.QUOTA | {"desktops": 3}}
        ),
        "DELETE": Operation("deleteQuota", "Delete a quota", answered={200: {"status": "deleted", "id": 7}}),
    }

    @extend_schema(responses=QuotaOut)
    def get(self, request: Request, quota_id: int) -> Response:
        """Return a quota."""
        self.query(EmptySerializer)
        return Response(QuotaOut(_quota(quota_id)).data)

    @extend_schema(request=QuotaChange, responses=QuotaOut)
    def patch(self, request: Request, quota_id: int) -> Response:
        """Change the limits that you send. You cannot assign a quota to another user or group."""
        self.query(EmptySerializer)
        quota, fields = _quota(quota_id), self.body(QuotaChange)
        for name, value in fields.items():
            setattr(quota, name, value)
        quota_services.change_quota(quota=quota, fields=fields, by=self.actor)
        return Response(QuotaOut(quota).data)

    @extend_schema(request=None, responses={200: DeletedQuotaOut})
    def delete(self, request: Request, quota_id: int) -> Response:
        """Delete a quota. Its user or group then inherits its limits. A limit that no quota sets is 0."""
        self.query(EmptySerializer)
        self.body(EmptySerializer)
        quota_services.delete_quota(quota=_quota(quota_id), by=self.actor)
        return Response({"status": "deleted", "id": quota_id})


class UserQuota(Endpoint):
    administers = {"GET": "accounts.view_quota"}
    tag = "Administration"
    operations = {
        "GET": Operation(
            "getUserQuota",
            "Get a user's effective quota",
            answered={200: examples.EFFECTIVE_QUOTA},
        ),
    }

    @extend_schema(responses=EffectiveQuotaOut)
    def get(self, request: Request, user_id: UUID) -> Response:
        """Return the effective limits of a user and the quota that sets each of them."""
        self.query(EmptySerializer)
        user = get_object_or_404(User, pk=user_id)
        found = {"user": user.pk, "username": user.username, "quota": quotas.effective(user)}
        return Response(EffectiveQuotaOut(found).data)


def _quota(quota_id: int) -> Quota:
    return get_object_or_404(Quota.objects.select_related("user", "group"), pk=quota_id)
