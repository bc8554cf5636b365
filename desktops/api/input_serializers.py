"""The serializers for what scripts send about desktops."""

from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from accounts import time_zones
from core.api.fields import Filter, Flag
from core.api.serializers import PageQuery, StrictSerializer
from desktops.api.quantities import Cores, GiB, MiB
from desktops.models import Status

_NEW_FILES = "true: a desktop whose files are lost (files_lost) begins with an empty home folder."
_ORDERS = ("created_at", "name", "status", "status_since")


class ResourceQuota(StrictSerializer):
    """Each is optional: what is missing is taken from the image's first size that the quota allows."""

    cpu = Cores(required=False)
    memory = MiB(required=False)
    storage = GiB(required=False)


@extend_schema_serializer(
    examples=[
        OpenApiExample("Two cores and 4 GiB", value={"resource_quota": {"cpu": "2", "memory": "4Gi"}}),
        OpenApiExample("The usual size", value={}),
        OpenApiExample("A second one, with an empty home", value={"name": "build", "volume": "new"}),
    ]
)
class PodCreate(StrictSerializer):
    resource_quota = ResourceQuota(required=False, allow_null=True)
    name = serializers.CharField(
        max_length=40, required=False, allow_null=True, help_text="One desktop per name. Default: desktop."
    )
    image = serializers.CharField(
        max_length=100, required=False, allow_null=True, help_text="Name or number. Default: the first."
    )
    volume = serializers.CharField(
        max_length=36,
        required=False,
        allow_null=True,
        help_text='Id of kept files, or "new". Default: the files that were kept of a desktop of this name, if any.',
    )
    time_zone = serializers.CharField(
        max_length=time_zones.LONGEST,
        required=False,
        allow_null=True,
        help_text="Of the clocks in a new desktop, such as Europe/Berlin. Default: yours, else the installation's.",
    )

    def validate_time_zone(self, zone: str | None) -> str | None:
        if zone and zone not in time_zones.known_zones():
            raise serializers.ValidationError(_("There is no such time zone. A name is like Europe/Berlin."))
        return zone

    new_files = Flag(default=False, help_text=_NEW_FILES)


class PodStart(StrictSerializer):
    new_files = Flag(default=False, help_text=_NEW_FILES)


class WaitQuery(StrictSerializer):
    wait = serializers.IntegerField(
        min_value=0,
        max_value=settings.API_WAIT_LIMIT,
        default=0,
        help_text="Seconds to wait for the final status before answering.",
    )


class DeleteQuery(WaitQuery):
    keep_data = serializers.BooleanField(default=True, help_text="false: the home folder is deleted as well.")


_ONE = f"({'|'.join(Status.values)})"


@extend_schema_field({"type": "string", "pattern": f"^{_ONE}(,{_ONE})*$", "maxLength": 100})
class Statuses(serializers.CharField):
    """One or more."""


class PodQuery(PageQuery):
    status = Statuses(
        max_length=100, required=False, help_text=f"One or more of {', '.join(Status.values)}, separated by commas."
    )
    name = Filter(max_length=40)
    image = Filter(max_length=100, help_text="Name of an image.")
    ordering = serializers.ChoiceField([*_ORDERS, *(f"-{order}" for order in _ORDERS)], default="created_at")

    def validate_status(self, text: str) -> list[str]:
        wanted = text.split(",")
        if unknown := [status for status in wanted if status not in Status.values]:
            message = _("There is no such status: %(unknown)s. Known: %(known)s.")
            known = ", ".join(Status.values)
            raise serializers.ValidationError(message % {"unknown": ", ".join(unknown), "known": known})
        return wanted

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Add `where`: the filters as arguments for a QuerySet."""
        lookups = {"status": "status__in", "name": "name", "image": "image__name"}
        return attrs | {"where": {lookup: attrs[name] for name, lookup in lookups.items() if name in attrs}}


class LogQuery(StrictSerializer):
    tail_lines = serializers.IntegerField(min_value=1, max_value=5000, default=100)
