"""`admin/pods`: administrators view, stop and delete everyone's desktops, but never open them."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.endpoint import Endpoint
from accounts.models import User
from core.api.fields import Filter
from core.api.operations import Operation, page_example
from core.api.serializers import EmptySerializer
from desktops import selectors, services
from desktops.api import examples
from desktops.api.input_serializers import PodQuery
from desktops.api.output_serializers import DeletedOut, PodOut
from desktops.models import Desktop


class OwnerOut(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    username = serializers.CharField()


class AnyPodOut(PodOut):
    """A desktop without its connection details, which only the owner sees."""

    access_info: Any = None
    owner = OwnerOut()

    def to_representation(self, instance: Desktop) -> dict[str, Any]:
        told = super().to_representation(instance)
        del told["access_info"]
        return told | {"owner": {"id": str(instance.owner_id), "username": instance.owner.get_username()}}


class AnyPodQuery(PodQuery):
    owner = Filter(max_length=150, help_text="Name of a user.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if "owner" in attrs:
            attrs["where"]["owner"] = User.objects.named(attrs["owner"])  # None finds nothing: each has an owner
        return attrs


class StoppedOut(serializers.Serializer[Any]):
    pod_name = serializers.CharField()
    desktop = AnyPodOut()


class AnyPods(Endpoint):
    administers = {"GET": "desktops.view_desktop"}
    tag = "Administration"
    operations = {
        "GET": Operation("listAllPods", "Everybody's desktops", answered={200: page_example(examples.ANYONES_DESKTOP)}),
    }

    @extend_schema(parameters=[AnyPodQuery], responses=AnyPodOut(many=True))
    def get(self, request: Request) -> Response:
        """List everyone's desktops, in pages."""
        asked = self.query(AnyPodQuery)
        rows = selectors.all_desktops().filter(**asked["where"]).order_by(asked["ordering"], "pk")
        return self.paged(rows, asked, AnyPodOut)


class StopAny(Endpoint):
    administers = {"POST": "desktops.change_desktop"}
    tag = "Administration"
    operations = {
        "POST": Operation(
            "stopAnyPod",
            "Stop anybody's desktop",
            answered={202: examples.acted(examples.ANYONES_DESKTOP, status="stopping")},
        ),
    }

    @extend_schema(request=EmptySerializer, responses={202: StoppedOut})
    def post(self, request: Request, pod_name: str) -> Response:
        """Stop a desktop. Its files stay, and its owner sees that an administrator stopped it."""
        self.query(EmptySerializer)
        self.body(EmptySerializer)
        desktop = selectors.any_desktop_named(pod_name=pod_name)
        services.stop_desktop(desktop=desktop, by=self.actor)
        told = AnyPodOut(selectors.any_desktop_named(pod_name=pod_name), context={"request": request}).data
        return Response({"pod_name": pod_name, "desktop": told}, status=202)


class AnyPod(Endpoint):
    administers = {"DELETE": "desktops.change_desktop"}
    tag = "Administration"
    operations = {
        "DELETE": Operation("deleteAnyPod", "Delete anybody's desktop", answered={202: examples.DELETED}),
    }

    @extend_schema(request=None, responses={202: DeletedOut})
    def delete(self, request: Request, pod_name: str) -> Response:
        """Delete a desktop. Its files are kept for its owner."""
        self.query(EmptySerializer)
        self.body(EmptySerializer)
        desktop = selectors.any_desktop_named(pod_name=pod_name)
        services.delete_desktop(desktop=desktop, by=self.actor, keep_data=True)
        return Response({"status": "deleted", "pod_name": pod_name}, status=202)
