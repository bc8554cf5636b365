"""List, launch, show and delete desktops at `pods`, `pods/create` and `pods/<pod_name>`."""

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
from desktops.lifecycle.backups import requests as backup_requests
from desktops.models import MOVING, BackupTask, Desktop, Status


class PodEndpoint(Endpoint):
    """The base class of views for the desktops of one user."""

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
        """Return the VNC password if the token permits it and the desktop has direct connections, else None."""
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
        found = wait.until_final(desktop, seconds)
        if found is None:
            raise DesktopNotFound(_("The desktop was deleted in the meantime."))
        if found.status == Status.FAILED:
            why = selectors.diagnosis_of(found)
            raise DidNotStart(found.reason or "failed", why.sentence, why.next_step)
        if found.status not in MOVING and found.status != Status.RUNNING:
            raise NotRunning(_("The desktop was stopped in the meantime."))
        return found


class Pods(PodEndpoint):
    operations = {
        "GET": Operation("listPods", "List your desktops", answered={200: page_example(examples.DESKTOP)}),
    }

    @extend_schema(parameters=[PodQuery], responses=PodOut(many=True))
    def get(self, request: Request) -> Response:
        """Return your desktops that match the filters, by default oldest first."""
        asked = self.query(PodQuery)
        order = asked["ordering"]
        rows = selectors.visible_to(self.actor.user).filter(**asked["where"]).order_by(order, "pk")
        return self.paged(rows, asked, PodOut)


class Create(PodEndpoint):
    rates = {"POST": "create"}
    operations = {
        "POST": Operation(
            "createPod",
            "Create or start a desktop",
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
        """Create a desktop. If you already have one of this name, start it if it is stopped or failed.

        An existing desktop keeps its image, size and files. The response is 202 while the desktop is starting, and 200
        if it needed no start or is running after `wait`.
        """
        asked, seconds = self.body(PodCreate), self.query(WaitQuery)["wait"]
        with concurrency.waiting_slot(self.claims.user_id, seconds):
            launched = launch_requests.launch(self.actor, asked)
            desktop = self.started(launched.desktop, seconds)
        is_starting = desktop.status in MOVING and (launched.ordered or seconds)
        pod = pod_representation.represent_pod(desktop, may=self.claims.permissions, password=self.password_of(desktop))
        answer = {
            "status": "created" if launched.created else "exists",
            "pod_name": desktop.object_name,
            "access_info": pod["access_info"],
            "desktop": pod,
        }
        return Response(answer, status=202 if is_starting else 200)


class Pod(PodEndpoint):
    opens_to_bound = True
    operations = {
        "GET": Operation("getPod", "Get a desktop", answered={200: examples.DESKTOP}, refused=(409,)),
        "DELETE": Operation(
            "deletePod",
            "Delete a desktop",
            answered={200: examples.DELETED, 202: examples.DELETED},
        ),
    }

    @extend_schema(responses=PodOut)
    def get(self, request: Request, pod_name: str) -> Response:
        """Return a desktop and how to connect to it."""
        self.query(EmptySerializer)
        return Response(pod_representation.represent_snapshot(self.snapshot_of(pod_name), may=self.claims.permissions))

    @extend_schema(
        request=None,
        parameters=[DeleteQuery],
        responses={200: DeletedOut, 202: DeletedOut},
    )
    def delete(self, request: Request, pod_name: str) -> Response:
        """Delete a desktop. Its files are kept unless you send `keep_data=false`.

        With `backup=true` the files are backed up, then deleted with the desktop. If the backup fails, both remain;
        `GET backup-tasks/<backup_task>` says why. Starting the desktop cancels the deletion.

        The response is 202 while the desktop is being deleted. With `wait`, it is 200 once nothing is left.
        """
        self.body(EmptySerializer)
        asked, desktop = self.query(DeleteQuery), self.desktop_of(pod_name)
        with concurrency.waiting_slot(self.claims.user_id, asked["wait"]):
            task = self._delete(desktop, asked)
            gone = wait.until_gone(desktop, asked["wait"])
        status = "backing_up" if task and not gone else "deleted"
        answer = {"status": status, "pod_name": pod_name, "backup_task": str(task.pk) if task else None}
        return Response(answer, status=200 if gone else 202)

    def _delete(self, desktop: Desktop, asked: dict[str, Any]) -> BackupTask | None:
        if asked["backup"]:
            return backup_requests.delete_after_backup(desktop=desktop, by=self.actor)
        services.delete_desktop(desktop=desktop, by=self.actor, keep_data=asked["keep_data"])
        return None
