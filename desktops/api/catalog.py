"""Return what users can launch, their quota and their kept volumes."""

from typing import Any
from uuid import UUID

from django.db.models import F
from django.db.models.expressions import OrderBy
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.endpoint import Endpoint
from core import concurrency
from core.api.operations import Operation, page_example
from core.api.serializers import EmptySerializer, PageQuery
from desktops import selectors, services, token_scopes
from desktops.api import examples, wait
from desktops.api.input_serializers import GoneQuery
from desktops.api.output_serializers import HomeFolderOut, QuantitiesOut
from desktops.lifecycle import kept_files
from desktops.lifecycle.backups import requests as backup_requests
from desktops.models import BackupTask, Volume
from desktops.quota import ImageOffer, LaunchOffer, QuotaLine, SizeOffer, launch_offer, quota_lines


class SizeOut(serializers.Serializer[SizeOffer]):
    """A size of an image."""

    name = serializers.CharField(source="size.name", help_text="Name of the size.")
    resource_quota = serializers.SerializerMethodField(help_text="Resources, as POST pods/create accepts them.")
    gpu = serializers.IntegerField(source="size.gpu", help_text="Number of GPUs.")
    fits = serializers.BooleanField(help_text="Whether your remaining quota is sufficient.")
    why_not = serializers.CharField(
        help_text="Why your quota is not sufficient, or is sufficient only with a kept volume. Otherwise empty."
    )

    @extend_schema_field(QuantitiesOut)
    def get_resource_quota(self, offer: SizeOffer) -> dict[str, str]:
        return token_scopes.quantities(offer.size)


class ImageOut(serializers.Serializer[ImageOffer]):
    """An image that you can launch."""

    id = serializers.IntegerField(source="image.pk", help_text="ID of the image.")
    name = serializers.CharField(source="image.name", help_text="Name of the image.")
    description = serializers.CharField(source="image.description", help_text="Description for people.")
    icon = serializers.CharField(source="image.icon", help_text="Name of the icon on the portal's pages.")
    sizes = SizeOut(many=True, help_text="Available sizes.")


class OfferOut(serializers.Serializer[LaunchOffer]):
    """The images that you can launch."""

    can_launch = serializers.BooleanField(help_text="Whether at least one size fits your remaining quota.")
    why_not = serializers.CharField(help_text="Why you cannot launch a desktop. Empty if you can.")
    results = ImageOut(source="images", many=True, help_text="Available images.")


class QuotaLineOut(serializers.Serializer[QuotaLine]):
    """Your usage and limit of a resource."""

    key = serializers.ChoiceField(
        ["cpu", "memory_mib", "storage_gib", "gpu", "desktops"], help_text="Resource, and the unit of the numbers."
    )
    label: Any = serializers.CharField(help_text="Name of the resource, in your language.")
    used = serializers.SerializerMethodField(help_text="Amount in use.")
    limit = serializers.SerializerMethodField(help_text="Effective limit.")
    unit = serializers.CharField(help_text="Unit of the numbers, in your language. Empty for plain numbers.")
    source: Any = serializers.CharField(help_text="Quota that sets the limit, in your language.")

    def get_used(self, line: QuotaLine) -> float:
        return float(line.used)

    def get_limit(self, line: QuotaLine) -> float:
        return float(line.limit)


class MyQuotaOut(serializers.Serializer[Any]):
    """Your quota."""

    results = QuotaLineOut(many=True, help_text="Usage and limit of each resource.")


class VolumeOut(serializers.Serializer[Volume]):
    """The home folder of a deleted desktop: kept, or being deleted."""

    id = serializers.UUIDField(help_text="ID of the volume, for the field volume of POST pods/create.")
    desktop_name = serializers.CharField(help_text="Name of the deleted desktop.")
    storage = serializers.SerializerMethodField(help_text="Size, such as 10Gi.")
    status = serializers.SerializerMethodField(
        help_text='"kept", or "deleting" if its deletion was requested and something is left of it.'
    )
    kept_at = serializers.DateTimeField(
        allow_null=True, help_text="Time when the desktop was deleted. Null if the volume is being deleted."
    )
    expires_at = serializers.DateTimeField(
        allow_null=True, help_text="Time after which the files are deleted. Null if they are kept without limit."
    )
    postponed_at = serializers.DateTimeField(
        allow_null=True, help_text="Time when you postponed that, which you can do once. Null if you did not."
    )
    lost_at = serializers.DateTimeField(
        allow_null=True, help_text="Time when the files were found to be lost. Null if they exist."
    )
    deleting_since = serializers.DateTimeField(
        allow_null=True, help_text="Time when the deletion was first tried. Null if it was not."
    )

    home_folder = HomeFolderOut()

    def get_storage(self, volume: Volume) -> str:
        return f"{volume.storage_gib}Gi"

    @extend_schema_field(serializers.ChoiceField(["kept", "deleting"]))
    def get_status(self, volume: Volume) -> str:
        return "kept" if volume.kept_at else "deleting"


_ORDERS = ("kept_at", "desktop_name", "storage")


class VolumeQuery(PageQuery):
    ordering = serializers.ChoiceField(
        [*_ORDERS, *(f"-{name}" for name in _ORDERS)],
        default="kept_at",
        help_text="Field to sort by. A leading - reverses the order.",
    )


def _order(asked: str) -> OrderBy:
    """Return the order of the rows. Volumes that are being deleted have no `kept_at`, and come last."""
    column = F(asked.removeprefix("-").replace("storage", "storage_gib"))
    return column.desc(nulls_last=True) if asked.startswith("-") else column.asc(nulls_last=True)


class DeleteVolumeQuery(GoneQuery):
    backup = serializers.BooleanField(
        default=False, help_text="true backs the files up first, and deletes them only if that succeeds."
    )


class DeletedVolumeOut(serializers.Serializer[Any]):
    """Confirmation that a volume is being deleted."""

    status = serializers.ChoiceField(
        ["deleted", "backing_up"], help_text='"deleted", or "backing_up" if the files are backed up first.'
    )
    id = serializers.UUIDField(help_text="ID of the volume.")
    backup_task = serializers.UUIDField(
        allow_null=True, help_text="ID of the backup before the deletion, for GET backup-tasks/<id>. Null without one."
    )


_DELETED: dict[str, Any] = {"status": "deleted", "id": examples.DESKTOP_ID, "backup_task": None}
_POSTPONED: dict[str, Any] = {"expires_at": "2026-06-01T09:15:27Z", "postponed_at": "2026-03-09T09:15:27Z"}


class Images(Endpoint):
    tag = "Desktops"
    operations = {
        "GET": Operation("listImages", "List images and sizes", answered={200: examples.IMAGES}),
    }

    @extend_schema(responses=OfferOut)
    def get(self, request: Request) -> Response:
        """Return the images and sizes that you can launch, and whether they fit your remaining quota."""
        self.query(EmptySerializer)
        return Response(OfferOut(launch_offer(self.actor.user)).data)


class MyQuota(Endpoint):
    tag = "Files and quota"
    operations = {
        "GET": Operation("getQuota", "Get your quota", answered={200: examples.QUOTA}),
    }

    @extend_schema(responses=MyQuotaOut)
    def get(self, request: Request) -> Response:
        """Return your effective limits and your current usage."""
        self.query(EmptySerializer)
        return Response(MyQuotaOut({"results": quota_lines(self.actor.user)}).data)


class Volumes(Endpoint):
    tag = "Files and quota"
    operations = {
        "GET": Operation(
            "listVolumes", "List volumes of deleted desktops", answered={200: page_example(examples.VOLUME)}
        ),
    }

    @extend_schema(parameters=[VolumeQuery], responses=VolumeOut(many=True))
    def get(self, request: Request) -> Response:
        """Return the home folders of deleted desktops, by default longest kept first.

        Those that are being deleted use your storage quota until nothing is left of them. No desktop can use them.
        """
        asked = self.query(VolumeQuery)
        rows = selectors.volumes_without_desktop(self.actor.user)
        return self.paged(rows.order_by(_order(asked["ordering"]), "pk"), asked, VolumeOut)


class OneVolume(Endpoint):
    tag = "Files and quota"
    operations = {
        "DELETE": Operation(
            "deleteVolume",
            "Delete a kept volume",
            answered={200: _DELETED, 202: _DELETED},
        ),
    }

    @extend_schema(
        request=None,
        parameters=[DeleteVolumeQuery],
        responses={200: DeletedVolumeOut, 202: DeletedVolumeOut},
    )
    def delete(self, request: Request, volume_id: UUID) -> Response:
        """Delete a kept volume and its files permanently. You cannot undo this.

        With `backup=true` the files are backed up first. If that fails, they remain; `GET backup-tasks/<backup_task>`
        says why. Launching a desktop with them cancels the deletion.

        The response is 202 while the files are being deleted. With `wait`, it is 200 once nothing is left.
        """
        self.body(EmptySerializer)
        asked = self.query(DeleteVolumeQuery)
        volume = selectors.volume_for(user=self.actor.user, volume_id=volume_id)
        with concurrency.waiting_slot(self.claims.user_id, asked["wait"]):
            task = self._delete(volume, with_backup=asked["backup"])
            gone = wait.until_volume_gone(volume, asked["wait"], task)
        status = "backing_up" if task and not gone else "deleted"
        answer = {"status": status, "id": str(volume.pk), "backup_task": str(task.pk) if task else None}
        return Response(answer, status=200 if gone else 202)

    def _delete(self, volume: Volume, *, with_backup: bool) -> BackupTask | None:
        if with_backup:
            return backup_requests.delete_files_after_backup(volume=volume, by=self.actor)
        services.delete_volume(volume=volume, by=self.actor)
        return None


class PostponeVolume(Endpoint):
    tag = "Files and quota"
    operations = {
        "POST": Operation(
            "postponeVolume", "Keep a volume longer", sent={}, answered={200: examples.VOLUME | _POSTPONED}
        ),
    }

    @extend_schema(request=EmptySerializer, responses=VolumeOut)
    def post(self, request: Request, volume_id: UUID) -> Response:
        """Postpone the deletion of a kept volume with an `expires_at`. You can do this once for each volume."""
        self.body(EmptySerializer)
        self.query(EmptySerializer)
        volume = selectors.volume_for(user=self.actor.user, volume_id=volume_id)
        return Response(VolumeOut(kept_files.postpone(volume=volume, by=self.actor)).data)
