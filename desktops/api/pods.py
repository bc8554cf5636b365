"""`pods`, `pods/create`, `pods/<pod_name>`: list, launch, show and delete desktops."""

from contextlib import suppress
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.endpoint import Endpoint
from core import concurrency
from core.api.operations import Operation, page_example
from core.api.serializers import EmptySerializer
from desktops import connection_info, selectors, services
from desktops.api import examples, launch_requests, pod_representation, wait
from desktops.api.input_serializers import DeleteQuery, PodCreate, PodQuery, WaitQuery
from desktops.api.output_serializers import CreatedOut, DeletedOut, PodOut
from desktops.desktop_snapshot import DesktopSnapshot
from desktops.exceptions import DesktopNotFound, DesktopRefusal, DidNotStart, NotRunning
from desktops.models import MOVING, Desktop, Status


class PodEndpoint(Endpoint):
    """About one desktop, or those of one person."""

    tag = "Desktops"

    def snapshot_of(self, pod_name: str) -> DesktopSnapshot:
        """Return the desktop's snapshot, from Redis if possible. Raises DesktopNotFound."""
        if self.claims.pod_name not in ("", pod_name):
            raise DesktopNotFound
        return selectors.snapshot_for(user_id=self.claims.user_id, pod_name=pod_name)

    def desktop_of(self, pod_name: str) -> Desktop:
        """Return the user's desktop of this name. Raises DesktopNotFound."""
        if self.claims.pod_name not in ("", pod_name):
            raise DesktopNotFound
        return selectors.named(user=self.actor.user, pod_name=pod_name)

    def password_of(self, desktop: Desktop) -> str | None:
        """Return the VNC password if the token permits it and the desktop is reached directly, else None."""
        if "vnc" in self.claims.permissions and connection_info.is_direct(desktop):
            with suppress(DesktopRefusal):  # POST …/password explains the refusal
                return services.show_password(desktop=desktop, by=self.actor)
        return None

    def started(self, desktop: Desktop, seconds: int) -> Desktop:
        """Wait until the desktop runs or the time is over, and return its row.

        Raises DidNotStart, NotRunning, DesktopNotFound.
        """
        if not seconds:
            return desktop
        found = wait.until_settled(desktop, seconds)
        if found is None:
            raise DesktopNotFound(_("The desktop was deleted meanwhile."))
        if found.status == Status.FAILED:
            why = selectors.diagnosis_of(found)
            raise DidNotStart(found.reason or "failed", why.sentence, why.next_step)
        if found.status not in MOVING and found.status != Status.RUNNING:
            raise NotRunning(_("The desktop was stopped meanwhile."))
        return found


class Pods(PodEndpoint):
    operations = {
        "GET": Operation("listPods", "Your desktops", answered={200: page_example(examples.DESKTOP)}),
    }

    @extend_schema(parameters=[PodQuery], responses=PodOut(many=True))
    def get(self, request: Request) -> Response:
        """List your desktops, in pages."""
        asked = self.query(PodQuery)
        order = asked["ordering"]
        rows = selectors.visible_to(self.actor.user).filter(**asked["where"]).order_by(order, "pk")
        return self.paged(rows, asked, PodOut)


class Create(PodEndpoint):
    rates = {"POST": "create"}
    operations = {
        "POST": Operation(
            "createPod",
            "Launch a desktop, or start the one of that name",
            sent={"resource_quota": examples.QUANTITIES},
            answered={202: examples.CREATED, 200: examples.EXISTS},
        ),
    }

    @extend_schema(
        request=PodCreate,
        parameters=[WaitQuery],
        responses={200: CreatedOut, 202: CreatedOut},
    )
    def post(self, request: Request) -> Response:
        """Launch a desktop, or find the one of that name. 202: it is on its way. 200: it was there already, or runs
        now that you waited. What is there keeps its size, image and files, whatever is sent."""
        asked, seconds = self.body(PodCreate), self.query(WaitQuery)["wait"]
        with concurrency.waiting_slot(self.claims.user_id, seconds):
            launched = launch_requests.launch(self.actor, asked)
            desktop = self.started(launched.desktop, seconds)
        on_its_way = desktop.status in MOVING and (launched.ordered or seconds)
        told = pod_representation.represent_pod(
            desktop, may=self.claims.permissions, password=self.password_of(desktop)
        )
        answer = {
            "status": "created" if launched.created else "exists",
            "pod_name": desktop.object_name,
            "access_info": told["access_info"],
            "desktop": told,
        }
        return Response(answer, status=202 if on_its_way else 200)


class Pod(PodEndpoint):
    opens_to_bound = True
    operations = {
        "GET": Operation(
            "getPod", "One desktop, and how to connect to it", answered={200: examples.DESKTOP}, refused=(409,)
        ),
        "DELETE": Operation(
            "deletePod",
            "Delete a desktop; its files stay unless you say otherwise",
            answered={200: examples.DELETED, 202: examples.DELETED},
        ),
    }

    @extend_schema(responses=PodOut)
    def get(self, request: Request, pod_name: str) -> Response:
        """Show a desktop as it is now."""
        self.query(EmptySerializer)
        return Response(pod_representation.represent_snapshot(self.snapshot_of(pod_name), may=self.claims.permissions))

    @extend_schema(
        request=None,
        parameters=[DeleteQuery],
        responses={200: DeletedOut, 202: DeletedOut},
    )
    def delete(self, request: Request, pod_name: str) -> Response:
        """Delete a desktop. Its files are kept, unless keep_data=false. 202: it is being deleted. 200: you waited, and
        nothing of it is left, nor of files that were to go with it."""
        self.body(EmptySerializer)
        asked, desktop = self.query(DeleteQuery), self.desktop_of(pod_name)
        with concurrency.waiting_slot(self.claims.user_id, asked["wait"]):
            services.delete_desktop(desktop=desktop, by=self.actor, keep_data=asked["keep_data"])
            gone = wait.until_gone(desktop, asked["wait"])
        answer: dict[str, Any] = {"status": "deleted", "pod_name": pod_name}
        return Response(answer, status=200 if gone else 202)
