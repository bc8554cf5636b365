"""Report at `monitor/` which parts of the portal work and which are unavailable."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.endpoint import Endpoint
from core.api.operations import Operation
from core.api.serializers import EmptySerializer
from desktops import monitor
from desktops.api import examples
from desktops.models import Status
from desktops.monitor import Report


class ControllerOut(serializers.Serializer[Any]):
    """The state of the controller."""

    status = serializers.ChoiceField(
        ["ok", "late", "missing", "unknown"],
        help_text="late: no heartbeat for 20 seconds. missing: none for an hour. unknown: Redis is unavailable.",
    )
    seconds_since = serializers.FloatField(
        allow_null=True, help_text="Seconds since its last heartbeat. Null if unknown."
    )


class QueueOut(serializers.Serializer[Any]):
    """The queue of tasks for the workers."""

    depth = serializers.IntegerField(help_text="Number of waiting tasks.")
    oldest_seconds = serializers.FloatField(help_text="Seconds that the oldest task has been waiting.")


class CountsOut(serializers.Serializer[Any]):
    """The number of desktops in each status."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {
            status: serializers.IntegerField(min_value=0, help_text=f"Number of desktops with the status {status}.")
            for status in Status.values
        }


class MonitorOut(serializers.Serializer[Report]):
    """The state of the portal. Values that cannot be determined are null."""

    status = serializers.ChoiceField(
        ["ok", "degraded"], help_text="degraded if any part is unavailable, late or missing."
    )
    database = serializers.ChoiceField(["ok", "away"], help_text="State of the database. away means unavailable.")
    redis = serializers.ChoiceField(
        ["ok", "away", "refuses_writes"],
        source="parts.redis",
        help_text="State of Redis. away means unavailable; refuses_writes is explained in redis_detail.",
    )
    redis_detail = serializers.CharField(
        source="parts.redis_detail", allow_null=True, help_text="Problem with Redis, in your language. Null if none."
    )
    controller = ControllerOut(source="parts.controller")
    workers = serializers.IntegerField(source="parts.workers", allow_null=True, help_text="Number of workers.")
    runtime = serializers.ChoiceField(
        ["ok", "away", "unknown"],
        source="parts.runtime",
        help_text="State of the cluster or machine that runs desktops. away means unavailable.",
    )
    queue = QueueOut(source="parts.queue", allow_null=True, help_text="Tasks that wait for a worker.")
    desktops = CountsOut(allow_null=True, help_text="Number of desktops in each status, within scope.")
    lost_volumes = serializers.IntegerField(
        allow_null=True, help_text="Number of home folders that are no longer in storage, within scope."
    )
    scope = serializers.ChoiceField(
        ["mine", "everyone"],
        allow_null=True,
        help_text="Whose desktops are included. everyone requires the permission to view all desktops.",
    )


class Monitor(Endpoint):
    tag = "Desktops"
    operations = {
        "GET": Operation("getMonitor", "Get the state of the portal", answered={200: examples.MONITOR}),
    }

    @extend_schema(responses=MonitorOut)
    def get(self, request: Request) -> Response:
        """Return the state of each part of the portal and the number of desktops in each status.

        The response is 200 even if parts are unavailable.
        """
        self.query(EmptySerializer)
        return Response(MonitorOut(monitor.report(user_id=self.claims.user_id)).data)
