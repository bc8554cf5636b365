"""Serve the actions on a desktop below `pods/<pod_name>/`, and its log, metrics, password and tokens."""

from dataclasses import asdict, replace
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import token_services
from accounts.api.messages import NOT_PERMITTED
from accounts.api.token_serializers import IssuedOut, TokenForm
from accounts.api.token_serializers import wanted as token_wanted
from accounts.token_services import Issued
from core import concurrency
from core.api.operations import Operation
from core.api.serializers import EmptySerializer
from core.request_token import SUBPROTOCOL_PREFIX
from desktops import desktop_snapshot, selectors, services, token_scopes
from desktops.api import examples, pod_representation, wait
from desktops.api.input_serializers import LogQuery, PodStart, WaitQuery
from desktops.api.output_serializers import ActionOut, LogsOut, MetricsOut, PasswordOut, PodTokenOut
from desktops.api.pods import PodEndpoint
from desktops.desktop_snapshot import DesktopSnapshot
from desktops.exceptions import DesktopNotFound
from desktops.models import MOVING, Desktop

_ANSWERS = {200: ActionOut, 202: ActionOut}


class Action(PodEndpoint):
    def asked(self, pod_name: str) -> tuple[Desktop, int]:
        """Return the desktop and the number of seconds to wait."""
        self.body(EmptySerializer)
        return self.desktop_of(pod_name), self.query(WaitQuery)["wait"]

    def answer(self, desktop: Desktop) -> Response:
        pod = pod_representation.represent_pod(desktop, may=self.claims.permissions)
        status = 202 if desktop.status in MOVING else 200
        return Response({"pod_name": desktop.object_name, "desktop": pod}, status=status)


class Start(Action):
    operations = {
        "POST": Operation("startPod", "Start a desktop", sent={"new_files": False}, answered=examples.STARTED),
    }

    @extend_schema(request=PodStart, parameters=[WaitQuery], responses=_ANSWERS)
    def post(self, request: Request, pod_name: str) -> Response:
        """Start a stopped or failed desktop. Does nothing if it is already running."""
        new_files = self.body(PodStart)["new_files"]
        desktop, seconds = self.desktop_of(pod_name), self.query(WaitQuery)["wait"]
        with concurrency.waiting_slot(self.claims.user_id, seconds):
            services.start_desktop(desktop=desktop, by=self.actor, new_files=new_files)
            found = self.started(desktop, seconds)
        return self.answer(found)


class Stop(Action):
    operations = {
        "POST": Operation("stopPod", "Stop a desktop", answered=examples.STOPPED),
    }

    @extend_schema(request=EmptySerializer, parameters=[WaitQuery], responses=_ANSWERS)
    def post(self, request: Request, pod_name: str) -> Response:
        """Stop a desktop or cancel its start. Its files are kept."""
        desktop, seconds = self.asked(pod_name)
        with concurrency.waiting_slot(self.claims.user_id, seconds):
            services.stop_desktop(desktop=desktop, by=self.actor)
            found = wait.until_final(desktop, seconds)
        if found is None:
            raise DesktopNotFound
        return self.answer(found)


class Restart(Action):
    operations = {
        "POST": Operation("restartPod", "Restart a desktop", answered=examples.RESTARTED),
    }

    @extend_schema(request=EmptySerializer, parameters=[WaitQuery], responses=_ANSWERS)
    def post(self, request: Request, pod_name: str) -> Response:
        """Stop a desktop and start it again. Starts it if it is stopped or failed."""
        desktop, seconds = self.asked(pod_name)
        with concurrency.waiting_slot(self.claims.user_id, seconds):
            services.restart_desktop(desktop=desktop, by=self.actor)
            found = self.started(desktop, seconds)
        return self.answer(found)


class Extend(Action):
    operations = {
        "POST": Operation("extendPod", "Extend the time limit of a desktop", answered={200: examples.EXTENDED}),
    }

    @extend_schema(request=EmptySerializer, responses={200: ActionOut})
    def post(self, request: Request, pod_name: str) -> Response:
        """Set the time limit of a running desktop as if it had just started. Never shortens the time."""
        self.body(EmptySerializer)
        self.query(EmptySerializer)
        desktop = self.desktop_of(pod_name)
        services.extend_desktop(desktop=desktop, by=self.actor)
        return self.answer(desktop)


class Password(PodEndpoint):
    needs = {"POST": ("vnc",)}
    operations = {
        "POST": Operation("showPodPassword", "Show the VNC password of a desktop", answered={200: examples.PASSWORD}),
    }

    @extend_schema(request=EmptySerializer, responses=PasswordOut)
    def post(self, request: Request, pod_name: str) -> Response:
        """Return the VNC password for direct connections. The audit trail records each such request.

        The response is 404 if the desktop is only reached through the portal.
        """
        self.body(EmptySerializer)
        self.query(EmptySerializer)
        password = services.show_password(desktop=self.desktop_of(pod_name), by=self.actor)
        return Response({"pod_name": pod_name, "vnc_password": password})


class Token(PodEndpoint):
    operations = {
        "POST": Operation("issuePodToken", "Issue a token for a desktop", sent={}, answered={201: examples.POD_TOKEN}),
    }

    @extend_schema(request=TokenForm, responses={201: PodTokenOut})
    def post(self, request: Request, pod_name: str) -> Response:
        """Issue a token that opens the WebSockets of one desktop. In the API, it can only read this desktop.

        Its permissions and lifetime do not exceed those of the token that you send, and it ends with the same login.
        """
        self.query(EmptySerializer)
        asked, desktop = self.body(TokenForm), self.desktop_of(pod_name)
        if not self.claims.permissions:  # the issued token would permit nothing
            raise PermissionDenied(NOT_PERMITTED, code="not_permitted")
        wanted = replace(
            token_wanted(asked | {"label": asked.get("label") or desktop.name}),
            pod_name=pod_name,
            resource_quota=token_scopes.quantities(desktop),
        )
        issued = token_services.issue_from_token(by=self.actor, claims=self.claims, wanted=wanted)
        return Response(_shown_once(issued, desktop_snapshot.snapshot_of(desktop)), status=201)


def _shown_once(issued: Issued, of: DesktopSnapshot) -> dict[str, Any]:
    access = pod_representation.access_info(of, may=frozenset(issued.token.permissions))
    return {
        **IssuedOut(issued).data,
        "pod_name": of.pod_name,
        "vnc_websocket": access["vnc_websocket"],
        "ssh_websocket": access["ssh_websocket"],
        "header": "X-User-Token",
        "subprotocols": [token_scopes.SUBPROTOCOL, f"{SUBPROTOCOL_PREFIX}{issued.text}"],
    }


class Logs(PodEndpoint):
    opens_to_bound = True
    operations = {
        "GET": Operation("getPodLogs", "Get the log of a desktop", answered={200: examples.LOGS}, refused=(409,)),
    }

    @extend_schema(parameters=[LogQuery], responses=LogsOut)
    def get(self, request: Request, pod_name: str) -> Response:
        """Return the last lines of the log of the desktop's session."""
        lines = self.query(LogQuery)["tail_lines"]
        return Response({"pod_name": pod_name, "logs": selectors.log_of(self.desktop_of(pod_name), lines)})


class Metrics(PodEndpoint):
    opens_to_bound = True
    operations = {
        "GET": Operation(
            "getPodMetrics", "Get the resource usage of a desktop", answered={200: examples.METRICS}, refused=(409,)
        ),
    }

    @extend_schema(responses=MetricsOut)
    def get(self, request: Request, pod_name: str) -> Response:
        """Return the current CPU and memory usage of a desktop."""
        self.query(EmptySerializer)
        usage = selectors.measured(self.desktop_of(pod_name))
        return Response({"pod_name": pod_name, "metrics": asdict(usage) if usage else None})
