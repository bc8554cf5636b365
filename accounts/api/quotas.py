"""`admin/quotas`: the default quota, quotas of groups and users, and a user's effective quota."""

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
from accounts.models import Quota, User
from accounts.quota_services import LIMITS
from core.api.fields import Count, Filter
from core.api.operations import Operation, page_example
from core.api.serializers import EmptySerializer, PageQuery, StrictSerializer

_INHERITED: dict[str, Any] = {"required": False, "allow_null": True}


class QuotaChange(StrictSerializer):
    """null: inherited from the groups' quotas or the default."""

    cpu = QuotaCores(help_text="Cores.", **_INHERITED)
    memory_mib = Count(**_INHERITED)
    storage_gib = Count(**_INHERITED)
    gpu = Count(**_INHERITED)
    desktops = Count(**_INHERITED)
    max_lifetime_minutes = Count(help_text="A desktop is stopped this long after its start. 0: never.", **_INHERITED)
    idle_minutes = Count(help_text="A desktop is stopped after this long without input. 0: never.", **_INHERITED)


class NewQuota(QuotaChange):
    """The quota of a user, of a group, or if both are missing, the default."""

    user = serializers.PrimaryKeyRelatedField(
        queryset=User.objects.all(), pk_field=serializers.UUIDField(), help_text="Id of a user.", **_INHERITED
    )
    group = serializers.SlugRelatedField(
        queryset=Group.objects.all(), slug_field="name", help_text="Name of a group.", **_INHERITED
    )


class QuotaOut(serializers.ModelSerializer[Quota]):
    cpu = serializers.DecimalField(max_digits=6, decimal_places=2, normalize_output=True, allow_null=True)
    username = serializers.CharField(source="user.username", default=None, allow_null=True)
    group = serializers.CharField(source="group.name", default=None, allow_null=True)

    class Meta:
        model = Quota
        # The same range as in requests: the range of the model's fields depends on the database.
        extra_kwargs = {name: {"max_value": Count.MOST} for name in LIMITS if name != "cpu"}
        fields = ("id", "user", "username", "group", *LIMITS)


class QuotaQuery(PageQuery):
    user = serializers.UUIDField(required=False, help_text="Id of a user, to find that user's own quota.")
    group = Filter(max_length=150, help_text="Name of a group.")


class LimitOut(serializers.Serializer[quotas.Limit[Any]]):
    limit = serializers.DecimalField(source="value", max_digits=12, decimal_places=2, normalize_output=True)
    source: Any = serializers.CharField(help_text="The quota that sets this limit, in your language.")


class LimitsOut(serializers.Serializer[quotas.EffectiveQuota]):
    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {name: LimitOut() for name in LIMITS}


class EffectiveQuotaOut(serializers.Serializer[Any]):
    user = serializers.UUIDField()
    username = serializers.CharField()
    quota = LimitsOut()


class DeletedQuotaOut(serializers.Serializer[Any]):
    status = serializers.ChoiceField(["deleted"])
    id = serializers.IntegerField()


class Quotas(Endpoint):
    administers = {"GET": "accounts.view_quota", "POST": "accounts.add_quota"}
    tag = "Administration"
    operations = {
        "GET": Operation("listQuotas", "All quotas", answered={200: page_example(examples.QUOTA)}),
        "POST": Operation(
            "createQuota", "Add a quota for a user or a group", sent=examples.NEW_QUOTA, answered={201: examples.QUOTA}
        ),
    }

    @extend_schema(parameters=[QuotaQuery], responses=QuotaOut(many=True))
    def get(self, request: Request) -> Response:
        """List all quotas in the order of their creation."""
        asked = self.query(QuotaQuery)
        named = {"user": "user_id", "group": "group__name"}
        rows = Quota.objects.filter(**{lookup: asked[name] for name, lookup in named.items() if name in asked})
        return self.paged(rows.select_related("user", "group").order_by("pk"), asked, QuotaOut)

    @extend_schema(request=NewQuota, responses={201: QuotaOut})
    def post(self, request: Request) -> Response:
        """Add a quota for a user or a group, or the default quota if there is none."""
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
        "GET": Operation("getOneQuota", "One quota", answered={200: examples.QUOTA}),
        "PATCH": Operation(
            "changeQuota", "Change a quota", sent={"desktops": 3}, answered={200: examples.QUOTA | {"desktops": 3}}
        ),
        "DELETE": Operation("deleteQuota", "Delete a quota", answered={200: {"status": "deleted", "id": 7}}),
    }

    @extend_schema(responses=QuotaOut)
    def get(self, request: Request, quota_id: int) -> Response:
        self.query(EmptySerializer)
        return Response(QuotaOut(_quota(quota_id)).data)

    @extend_schema(request=QuotaChange, responses=QuotaOut)
    def patch(self, request: Request, quota_id: int) -> Response:
        """Change the fields that you send. A quota cannot be moved to another user or group."""
        self.query(EmptySerializer)
        quota, fields = _quota(quota_id), self.body(QuotaChange)
        for name, value in fields.items():
            setattr(quota, name, value)
        quota_services.change_quota(quota=quota, fields=fields, by=self.actor)
        return Response(QuotaOut(quota).data)

    @extend_schema(request=None, responses={200: DeletedQuotaOut})
    def delete(self, request: Request, quota_id: int) -> Response:
        """Delete a quota, so that its limits are inherited. Without a default quota, limits set nowhere are zero."""
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
            "The effective quota of a user",
            answered={200: examples.EFFECTIVE_QUOTA},
        ),
    }

    @extend_schema(responses=EffectiveQuotaOut)
    def get(self, request: Request, user_id: UUID) -> Response:
        """Return each of a user's effective limits, and the quota that sets it."""
        self.query(EmptySerializer)
        user = get_object_or_404(User, pk=user_id)
        told = {"user": user.pk, "username": user.username, "quota": quotas.effective(user)}
        return Response(EffectiveQuotaOut(told).data)


def _quota(quota_id: int) -> Quota:
    return get_object_or_404(Quota.objects.select_related("user", "group"), pk=quota_id)
