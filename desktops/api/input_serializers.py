"""Define the serializers of requests about desktops."""

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

_NEW_FILES = "Whether to start with an empty home folder if the files are lost (files_lost)."
_ORDERS = ("created_at", "name", "status", "status_since")


class ResourceQuota(StrictSerializer):
    """The requested resources. Missing ones are those of the image's first size that fits your quota."""

    cpu = Cores(required=False)
    memory = MiB(required=False)
    storage = GiB(required=False)


@extend_schema_serializer(
    examples=[
        OpenApiExample("Two cores and 4 GiB", value={"resource_quota": {"cpu": "2", "memory": "4Gi"}}),
        OpenApiExample("The default size", value={}),
        OpenApiExample("A second desktop with an empty home folder", value={"name": "build", "volume": "new"}),
    ]
)
class PodCreate(StrictSerializer):
    """A desktop to create or start. All fields are optional."""

    resource_quota = ResourceQuota(
        required=False, allow_null=True, help_text="Resources. Default: the image's first size that fits your quota."
    )
    name = serializers.CharField(
        max_length=40,
        required=False,
        allow_null=True,
        help_text="Name of the desktop, unique among yours. Default: desktop.",
    )
    image = serializers.CharField(
        max_length=100, required=False, allow_null=True, help_text="Name or ID of an image. Default: the first image."
    )
    volume = serializers.CharField(
        max_length=36,
        required=False,
        allow_null=True,
        help_text='ID of a kept volume, or "new". Default: the last kept volume of this name, or a new one.',
    )
    time_zone = serializers.CharField(
        max_length=time_zones.LONGEST,
        required=False,
        allow_null=True,
        help_text="Time zone of a new desktop, such as Europe/Berlin. Default: yours, or else that of the portal.",
    )

    def validate_time_zone(self, zone: str | None) -> str | None:
        if zone and zone not in time_zones.known_zones():
            raise serializers.ValidationError(_("Unknown time zone. Send a name such as Europe/Berlin."))
        return zone

    new_files = Flag(default=False, help_text=_NEW_FILES)


class PodStart(StrictSerializer):
    """How to start a desktop."""

    new_files = Flag(default=False, help_text=_NEW_FILES)


class WaitQuery(StrictSerializer):
    wait = serializers.IntegerField(
        min_value=0,
        max_value=settings.API_WAIT_LIMIT,
        default=0,
        help_text="Seconds to wait for a final status. 0 returns at once.",
    )


class GoneQuery(WaitQuery):
    """How long to wait for a deletion."""

    wait = serializers.IntegerField(
        min_value=0,
        max_value=settings.API_WAIT_LIMIT,
        default=0,
        help_text="Seconds to wait until nothing is left. 0 returns at once.",
    )


class DeleteQuery(GoneQuery):
    keep_data = serializers.BooleanField(
        default=None, allow_null=True, help_text="false also deletes the home folder. Default: true without backup."
    )
    backup = serializers.BooleanField(
        default=False,
        help_text="true backs the home folder up first, and deletes both only if that succeeds. Without keep_data.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["backup"] and attrs["keep_data"]:
            raise serializers.ValidationError({"keep_data": _("With backup=true the files are not kept.")})
        return attrs | {"keep_data": attrs["keep_data"] is not False and not attrs["backup"]}


_ONE = f"({'|'.join(Status.values)})"


@extend_schema_field({"type": "string", "pattern": f"^{_ONE}(,{_ONE})*$", "maxLength": 100})
class Statuses(serializers.CharField):
    """One or more statuses, separated by commas."""


class PodQuery(PageQuery):
    status = Statuses(
        max_length=100, required=False, help_text=f"Statuses, separated by commas: {', '.join(Status.values)}."
    )
    name = Filter(max_length=40, help_text="Name of the desktop.")
    image = Filter(max_length=100, help_text="Name of an image.")
    ordering = serializers.ChoiceField(
        [*_ORDERS, *(f"-{order}" for order in _ORDERS)],
        default="created_at",
        help_text="Field to sort by. A leading - reverses the order.",
    )

    def validate_status(self, text: str) -> list[str]:
        wanted = text.split(",")
        if unknown := [status for status in wanted if status not in Status.values]:
            message = _("Unknown status: %(unknown)s. Known statuses: %(known)s.")
            known = ", ".join(Status.values)
            raise serializers.ValidationError(message % {"unknown": ", ".join(unknown), "known": known})
        return wanted

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Add `where`, the filters as arguments for QuerySet.filter."""
        lookups = {"status": "status__in", "name": "name", "image": "image__name"}
        return attrs | {"where": {lookup: attrs[name] for name, lookup in lookups.items() if name in attrs}}


class LogQuery(StrictSerializer):
    tail_lines = serializers.IntegerField(
        min_value=1, max_value=5000, default=100, help_text="Number of lines to return, counted from the end."
    )
