"""The serializers that describe desktops in responses and in the schema."""

from typing import Any

from rest_framework import serializers

from accounts.api.token_serializers import IssuedOut
from desktops import desktop_snapshot
from desktops.api import pod_representation
from desktops.models import Desktop, Status


class QuantitiesOut(serializers.Serializer[Any]):
    cpu = serializers.CharField(help_text='Cores: "2", "0.5".')
    memory = serializers.CharField(help_text='"4Gi", "512Mi".')
    storage = serializers.CharField(help_text='"10Gi".')


class WayOut(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(["vnc", "novnc", "ssh"])
    address = serializers.CharField(help_text="Address or command to use.")


class AccessInfo(serializers.Serializer[Any]):
    """Where it is reached. Through the portal alone: at the WebSockets. Null: not there, or not permitted."""

    host = serializers.CharField(allow_null=True)
    vnc_port = serializers.IntegerField(allow_null=True)
    novnc_port = serializers.IntegerField(allow_null=True)
    ssh_port = serializers.IntegerField(allow_null=True)
    vnc_password = serializers.CharField(
        allow_null=True, help_text="Told when it is created and by POST …/password, where desktops are exposed."
    )
    url = serializers.CharField(help_text="Its page in the portal.")
    vnc_websocket = serializers.CharField(allow_null=True)
    ssh_websocket = serializers.CharField(allow_null=True, help_text="Null also while it does not run.")
    ways = WayOut(many=True)


class PodOut(serializers.Serializer[Desktop]):
    pod_name = serializers.CharField()
    id = serializers.UUIDField()
    name = serializers.CharField()
    status = serializers.ChoiceField(Status.values)
    status_since = serializers.DateTimeField()
    reason = serializers.CharField(help_text="Slug: why it failed, stopped or waits; empty without.")
    sentence = serializers.CharField(help_text="Explanation of the reason for people. Empty if there is none.")
    next_step = serializers.CharField()
    files_lost = serializers.BooleanField(help_text="Its home folder is gone. new_files begins with an empty one.")
    image = serializers.CharField()
    size = serializers.CharField(help_text="Empty for a custom size.")
    resource_quota = QuantitiesOut()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True, help_text="When it is stopped. Null: never.")
    access_info = AccessInfo()

    def to_representation(self, instance: Desktop) -> dict[str, Any]:
        context: Any = self.context
        machinery = context.setdefault("machinery", pod_representation.Machinery())
        return pod_representation.represent_snapshot(
            desktop_snapshot.snapshot_of(instance), may=context["request"].auth.permissions, machinery=machinery
        )


class CreatedOut(serializers.Serializer[Any]):
    status = serializers.ChoiceField(["created", "exists"])
    pod_name = serializers.CharField()
    access_info = AccessInfo()
    desktop = PodOut()


class DeletedOut(serializers.Serializer[Any]):
    status = serializers.ChoiceField(["deleted"])
    pod_name = serializers.CharField()


class ActionOut(serializers.Serializer[Any]):
    pod_name = serializers.CharField()
    desktop = PodOut()


class PasswordOut(serializers.Serializer[Any]):
    pod_name = serializers.CharField()
    vnc_password = serializers.CharField()


class PodTokenOut(IssuedOut):
    """`token` goes into the header X-User-Token, or, from a browser, among the WebSocket's subprotocols."""

    pod_name = serializers.CharField()
    vnc_websocket = serializers.CharField(allow_null=True)
    ssh_websocket = serializers.CharField(allow_null=True)
    header = serializers.CharField(help_text="Name of the header that takes the token.")
    subprotocols = serializers.ListField(child=serializers.CharField(), help_text="To offer instead, all of them.")


class LogsOut(serializers.Serializer[Any]):
    pod_name = serializers.CharField()
    logs = serializers.CharField(allow_blank=True)


class MetricsNow(serializers.Serializer[Any]):
    cpu = serializers.FloatField(help_text="Cores in use.")
    memory_mib = serializers.FloatField()
    cpu_limit = serializers.FloatField(allow_null=True, help_text="Null: not limited, or not known.")
    memory_limit_mib = serializers.FloatField(allow_null=True)


class MetricsOut(serializers.Serializer[Any]):
    pod_name = serializers.CharField()
    metrics = MetricsNow(allow_null=True, help_text="Null unless it runs and is measured.")
