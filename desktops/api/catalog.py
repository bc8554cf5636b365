"""List what users can launch, their quota and their kept files."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.endpoint import Endpoint
from core.api.operations import Operation, page_example
from core.api.serializers import EmptySerializer, PageQuery
from desktops import selectors, services, token_scopes
from desktops.api import examples
from desktops.api.output_serializers import QuantitiesOut
from desktops.models import Volume
from desktops.quota import ImageOffer, LaunchOffer, QuotaLine, SizeOffer, launch_offer, quota_lines


class SizeOut(serializers.Serializer[SizeOffer]):
    name = serializers.CharField(source="size.name")
    resource_quota = serializers.SerializerMethodField(help_text="What POST pods/create takes.")
    gpu = serializers.IntegerField(source="size.gpu")
    fits = serializers.BooleanField(help_text="Whether your quota leaves room for it now.")
    why_not = serializers.CharField(help_text="Empty when it fits, unless that is with kept files only.")

    @extend_schema_field(QuantitiesOut)
    def get_resource_quota(self, offer: SizeOffer) -> dict[str, str]:
        return token_scopes.quantities(offer.size)


class ImageOut(serializers.Serializer[ImageOffer]):
    id = serializers.IntegerField(source="image.pk")
    name = serializers.CharField(source="image.name")
    description = serializers.CharField(source="image.description")
    icon = serializers.CharField(source="image.icon")
    sizes = SizeOut(many=True)


class OfferOut(serializers.Serializer[LaunchOffer]):
    can_launch = serializers.BooleanField()
    why_not = serializers.CharField()
    results = ImageOut(source="images", many=True)


class QuotaLineOut(serializers.Serializer[QuotaLine]):
    key = serializers.ChoiceField(["cpu", "memory_mib", "storage_gib", "gpu", "desktops"])
    label: Any = serializers.CharField()
    used = serializers.SerializerMethodField()
    limit = serializers.SerializerMethodField()
    unit = serializers.CharField()
    source: Any = serializers.CharField(help_text="Where the limit comes from.")

    def get_used(self, line: QuotaLine) -> float:
        return float(line.used)

    def get_limit(self, line: QuotaLine) -> float:
        return float(line.limit)


class MyQuotaOut(serializers.Serializer[Any]):
    results = QuotaLineOut(many=True)


class VolumeOut(serializers.Serializer[Volume]):
    id = serializers.UUIDField(help_text="What POST pods/create takes as volume.")
    desktop_name = serializers.CharField(help_text="Name of the deleted desktop that they belonged to.")
    storage = serializers.SerializerMethodField()
    kept_at = serializers.DateTimeField()
    lost_at = serializers.DateTimeField(
        allow_null=True, help_text="Since when the files are gone; then they take no storage. Null: they are there."
    )

    def get_storage(self, volume: Volume) -> str:
        return f"{volume.storage_gib}Gi"


_ORDERS = ("kept_at", "desktop_name", "storage")


class VolumeQuery(PageQuery):
    ordering = serializers.ChoiceField([*_ORDERS, *(f"-{name}" for name in _ORDERS)], default="kept_at")


class DeletedVolumeOut(serializers.Serializer[Any]):
    status = serializers.ChoiceField(["deleted"])
    id = serializers.UUIDField()


class Images(Endpoint):
    tag = "Desktops"
    operations = {
        "GET": Operation(
            "listImages", "What kinds of desktops there are, and their sizes", answered={200: examples.IMAGES}
        ),
    }

    @extend_schema(responses=OfferOut)
    def get(self, request: Request) -> Response:
        """List the images and sizes that you can launch, and which of them fit your quota."""
        self.query(EmptySerializer)
        return Response(OfferOut(launch_offer(self.actor.user)).data)


class MyQuota(Endpoint):
    tag = "Files and quota"
    operations = {
        "GET": Operation("getQuota", "What you may have, and what you use of it", answered={200: examples.QUOTA}),
    }

    @extend_schema(responses=MyQuotaOut)
    def get(self, request: Request) -> Response:
        """Show your quota and how much of it you use."""
        self.query(EmptySerializer)
        return Response(MyQuotaOut({"results": quota_lines(self.actor.user)}).data)


class Volumes(Endpoint):
    tag = "Files and quota"
    operations = {
        "GET": Operation(
            "listVolumes", "Files of your desktops, also of deleted ones", answered={200: page_example(examples.VOLUME)}
        ),
    }

    @extend_schema(parameters=[VolumeQuery], responses=VolumeOut(many=True))
    def get(self, request: Request) -> Response:
        """List files that were kept when their desktop was deleted, by default longest kept first."""
        asked = self.query(VolumeQuery)
        order = asked["ordering"].replace("storage", "storage_gib")
        return self.paged(selectors.kept_volumes(self.actor.user).order_by(order, "pk"), asked, VolumeOut)


class OneVolume(Endpoint):
    tag = "Files and quota"
    operations = {
        "DELETE": Operation(
            "deleteVolume",
            "Delete files that no desktop uses",
            answered={202: {"status": "deleted", "id": examples.DESKTOP_ID}},
        ),
    }

    @extend_schema(request=None, responses={202: DeletedVolumeOut})
    def delete(self, request: Request, volume_id: UUID) -> Response:
        """Delete kept files permanently."""
        self.query(EmptySerializer)
        self.body(EmptySerializer)
        volume = selectors.volume_for(user=self.actor.user, volume_id=volume_id)
        services.delete_volume(volume=volume, by=self.actor)
        return Response({"status": "deleted", "id": str(volume.pk)}, status=202)
