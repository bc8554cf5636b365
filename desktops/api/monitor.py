"""`GET monitor/`: report which parts of the portal work and which are unavailable."""

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
    status = serializers.ChoiceField(["ok", "late", "missing", "unknown"], help_text="unknown: Redis cannot report it.")
    seconds_since = serializers.FloatField(allow_null=True, help_text="Seconds since its last heartbeat.")


class QueueOut(serializers.Serializer[Any]):
    depth = serializers.IntegerField(help_text="Number of tasks that wait for a worker.")
    oldest_seconds = serializers.FloatField(help_text="Seconds that the oldest task has waited.")


class CountsOut(serializers.Serializer[Any]):
    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {status: serializers.IntegerField(min_value=0) for status in Status.values}


class MonitorOut(serializers.Serializer[Report]):
    status = serializers.ChoiceField(["ok", "degraded"])
    database = serializers.ChoiceField(["ok", "away"])
    redis = serializers.ChoiceField(["ok", "away", "refuses_writes"], source="parts.redis")
    redis_detail = serializers.CharField(
        source="parts.redis_detail", allow_null=True, help_text="What is wrong with Redis. Null if nothing is."
    )
    controller = ControllerOut(source="parts.controller")
    workers = serializers.IntegerField(source="parts.workers", allow_null=True)
    runtime = serializers.ChoiceField(["ok", "away", "unknown"], source="parts.runtime")
    queue = QueueOut(source="parts.queue", allow_null=True)
    desktops = CountsOut(allow_null=True, help_text="Number of desktops in each status.")
    lost_volumes = serializers.IntegerField(
        allow_null=True, help_text="Home folders that the machines no longer have, of the same desktops and kept files."
    )
    scope = serializers.ChoiceField(["mine", "everyone"], allow_null=True, help_text="Whose desktops are counted.")


class Monitor(Endpoint):
    tag = "Desktops"
    operations = {
        "GET": Operation("getMonitor", "Is everything well?", answered={200: examples.MONITOR}),
    }

    @extend_schema(responses=MonitorOut)
    def get(self, request: Request) -> Response:
        """The parts of the portal, the queue, and desktops by status: your own, or for administrators everyone's. What
        cannot be known at present is null."""
        self.query(EmptySerializer)
        return Response(MonitorOut(monitor.report(user_id=self.claims.user_id)).data)
