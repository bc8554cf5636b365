"""Let administrators view, stop and delete all users' desktops at `admin/pods`, but not open them."""

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
from desktops.api.output_serializers import POD_NAME, DeletedOut, PodOut
from desktops.models import Desktop


class OwnerOut(serializers.Serializer[Any]):
    """The owner of a desktop."""

    id = serializers.UUIDField(help_text="ID of the user.")
    username = serializers.CharField(help_text="Name of the user.")


class AnyPodOut(PodOut):
    """A desktop and its owner. Connection details are not included, since only the owner may use them."""

    access_info: Any = None
    owner = OwnerOut()

    def to_representation(self, instance: Desktop) -> dict[str, Any]:
        pod = super().to_representation(instance)
        del pod["access_info"]
        return pod | {"owner": {"id": str(instance.owner_id), "username": instance.owner.get_username()}}


class AnyPodQuery(PodQuery):
    owner = Filter(max_length=150, help_text="Name of a user. Returns only their desktops.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if "owner" in attrs:
            attrs["where"]["owner"] = User.objects.named(
                attrs["owner"]
            )  # None matches nothing, since each desktop has an owner
        return attrs


class StoppedOut(serializers.Serializer[Any]):
    """The desktop that is being stopped."""

    pod_name = serializers.CharField(help_text=POD_NAME)
    desktop = AnyPodOut()


class AnyPods(Endpoint):
    administers = {"GET": "desktops.view_desktop"}
    tag = "Administration"
    operations = {
        "GET": Operation(
            "listAllPods", "List the desktops of all users", answered={200: page_example(examples.ANYONES_DESKTOP)}
        ),
    }

    @extend_schema(parameters=[AnyPodQuery], responses=AnyPodOut(many=True))
    def get(self, request: Request) -> Response:
        """Return the desktops of all users that match the filters, by default oldest first."""
        asked = self.query(AnyPodQuery)
        rows = selectors.all_desktops().filter(**asked["where"]).order_by(asked["ordering"], "pk")
        return self.paged(rows, asked, AnyPodOut)


class StopAny(Endpoint):
    administers = {"POST": "desktops.change_desktop"}
    tag = "Administration"
    operations = {
        "POST": Operation(
            "stopAnyPod",
            "Stop the desktop of any user",
            answered={202: examples.acted(examples.ANYONES_DESKTOP, status="stopping")},
        ),
    }

    @extend_schema(request=EmptySerializer, responses={202: StoppedOut})
    def post(self, request: Request, pod_name: str) -> Response:
        """Stop the desktop of any user. Its files are kept. Its owner sees that an administrator stopped it."""
        self.query(EmptySerializer)
        self.body(EmptySerializer)
        desktop = selectors.any_desktop_named(pod_name=pod_name)
        services.stop_desktop(desktop=desktop, by=self.actor)
        pod = AnyPodOut(selectors.any_desktop_named(pod_name=pod_name), context={"request": request}).data
        return Response({"pod_name": pod_name, "desktop": pod}, status=202)


class AnyPod(Endpoint):
    administers = {"DELETE": "desktops.change_desktop"}
    tag = "Administration"
    operations = {
        "DELETE": Operation("deleteAnyPod", "Delete the desktop of any user", answered={202: examples.DELETED}),
    }

    @extend_schema(request=None, responses={202: DeletedOut})
    def delete(self, request: Request, pod_name: str) -> Response:
        """Delete the desktop of any user. Its files are kept for its owner."""
        self.query(EmptySerializer)
        self.body(EmptySerializer)
        desktop = selectors.any_desktop_named(pod_name=pod_name)
        services.delete_desktop(desktop=desktop, by=self.actor, keep_data=True)
        return Response({"status": "deleted", "pod_name": pod_name, "backup_task": None}, status=202)
