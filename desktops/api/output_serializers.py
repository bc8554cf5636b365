"""Define the serializers of responses about desktops."""

from typing import Any

from rest_framework import serializers

from accounts.api.token_serializers import IssuedOut
from desktops import desktop_snapshot
from desktops.api import pod_representation
from desktops.models import Desktop, Status

POD_NAME = "Technical name of the desktop, which identifies it in URLs."
_VNC_SOCKET = "URL of the WebSocket for VNC. Null if the token does not permit it."
_SSH_SOCKET = "URL of the WebSocket for SSH. Null if the token does not permit it or the desktop has no SSH at present."


class QuantitiesOut(serializers.Serializer[Any]):
    """The resources of a desktop."""

    cpu = serializers.CharField(help_text='CPU cores, such as "2" or "0.5".')
    memory = serializers.CharField(help_text='Memory, such as "4Gi" or "512Mi".')
    storage = serializers.CharField(help_text='Size of the home folder, such as "10Gi".')


class HomeFolderOut(serializers.Serializer[Any]):
    """The use of a home folder, as measured every few minutes while its desktop runs. The desktop's owner can alter it.

    All fields but `limit_bytes` are null, "unknown" or false until the first measurement.
    """

    used_bytes = serializers.IntegerField(allow_null=True, help_text="Bytes that its files occupy.")
    limit_bytes = serializers.IntegerField(help_text="Bytes that it can hold.")
    used_percent = serializers.IntegerField(
        allow_null=True, help_text="Used percent of the limit. More than 100 if the storage does not enforce the limit."
    )
    level = serializers.ChoiceField(
        ["unknown", "ok", "nearly_full", "almost_full"],
        help_text='"nearly_full" from 80 percent on, "almost_full" from 95 percent on.',
    )
    limit_enforced = serializers.BooleanField(
        allow_null=True, help_text="Whether the storage itself enforces the limit. False for a shared file system."
    )
    measured_at = serializers.DateTimeField(allow_null=True, help_text="Time of the measurement.")
    measurement_unfinished = serializers.BooleanField(
        help_text="Whether a newer measurement took too long, for example because of very many files."
    )


class WayOut(serializers.Serializer[Any]):
    """A direct connection to the desktop, without the portal."""

    kind = serializers.ChoiceField(["vnc", "novnc", "ssh"], help_text="Kind of the connection.")
    address = serializers.CharField(help_text="Address to connect to, or command to run.")


class AccessInfo(serializers.Serializer[Any]):
    """How to connect to a desktop. Addresses that do not exist or that the token does not permit are null."""

    host = serializers.CharField(allow_null=True, help_text="Host for direct connections.")
    vnc_port = serializers.IntegerField(allow_null=True, help_text="Port for direct VNC connections.")
    novnc_port = serializers.IntegerField(allow_null=True, help_text="Port for direct noVNC connections.")
    ssh_port = serializers.IntegerField(allow_null=True, help_text="Port for direct SSH connections.")
    vnc_password = serializers.CharField(
        allow_null=True,
        help_text="Password for direct VNC connections. Only in the response of POST pods/create; otherwise null.",
    )
    url = serializers.CharField(help_text="URL of the desktop's page in the portal.")
    vnc_websocket = serializers.CharField(allow_null=True, help_text=_VNC_SOCKET)
    ssh_websocket = serializers.CharField(allow_null=True, help_text=_SSH_SOCKET)
    ways = WayOut(many=True, help_text="Direct connections. Empty if the desktop is only reached through the portal.")


class PodOut(serializers.Serializer[Desktop]):
    """A desktop."""

    pod_name = serializers.CharField(help_text=POD_NAME)
    id = serializers.UUIDField(help_text="ID of the desktop.")
    name = serializers.CharField(help_text="Name of the desktop, unique among those of its owner.")
    status = serializers.ChoiceField(Status.values, help_text="Status of the desktop.")
    status_since = serializers.DateTimeField(help_text="Time of the last change of status.")
    reason = serializers.CharField(help_text="Slug of the reason why it failed, stopped or waits. Empty if none.")
    sentence = serializers.CharField(help_text="Explanation of the reason, in your language. Empty if none.")
    next_step = serializers.CharField(help_text="What you can do about it, in your language. Empty if nothing.")
    files_lost = serializers.BooleanField(help_text="Whether the home folder is no longer in storage.")
    home_folder = HomeFolderOut()
    image = serializers.CharField(help_text="Name of the image.")
    size = serializers.CharField(help_text="Name of the size. Empty for a custom size.")
    resource_quota = QuantitiesOut()
    created_at = serializers.DateTimeField(help_text="Time when the desktop was created.")
    started_at = serializers.DateTimeField(
        allow_null=True, help_text="Time when the last start was completed. Null if it is not completed yet."
    )
    expires_at = serializers.DateTimeField(
        allow_null=True, help_text="Time when the desktop will be stopped. Null if it has no time limit."
    )
    access_info = AccessInfo()

    def to_representation(self, instance: Desktop) -> dict[str, Any]:
        context: Any = self.context
        machinery = context.setdefault("machinery", pod_representation.Machinery())
        return pod_representation.represent_snapshot(
            desktop_snapshot.snapshot_of(instance), may=context["request"].auth.permissions, machinery=machinery
        )


class CreatedOut(serializers.Serializer[Any]):
    """The desktop that was created, or the existing one."""

    status = serializers.ChoiceField(
        ["created", "exists"], help_text="Whether this request created the desktop or it existed before."
    )
    pod_name = serializers.CharField(help_text=POD_NAME)
    access_info = AccessInfo()
    desktop = PodOut()


class DeletedOut(serializers.Serializer[Any]):
    """Confirmation that a desktop was deleted or is being deleted."""

    status = serializers.ChoiceField(
        ["deleted", "backing_up"], help_text='"deleted", or "backing_up" if the files are backed up first.'
    )
    pod_name = serializers.CharField(help_text=POD_NAME)
    backup_task = serializers.UUIDField(
        allow_null=True, help_text="ID of the backup before the deletion, for GET backup-tasks/<id>. Null without one."
    )


class ActionOut(serializers.Serializer[Any]):
    """The desktop after the action."""

    pod_name = serializers.CharField(help_text=POD_NAME)
    desktop = PodOut()


class PasswordOut(serializers.Serializer[Any]):
    """The VNC password of a desktop."""

    pod_name = serializers.CharField(help_text=POD_NAME)
    vnc_password = serializers.CharField(help_text="Password for direct VNC connections.")


class PodTokenOut(IssuedOut):
    """A session token for one desktop. Send it in a header, or from a browser as a WebSocket subprotocol."""

    pod_name = serializers.CharField(help_text=POD_NAME)
    vnc_websocket = serializers.CharField(allow_null=True, help_text=_VNC_SOCKET)
    ssh_websocket = serializers.CharField(allow_null=True, help_text=_SSH_SOCKET)
    header = serializers.CharField(help_text="Name of the header for the token.")
    subprotocols = serializers.ListField(
        child=serializers.CharField(), help_text="WebSocket subprotocols to offer, all of them, instead of the header."
    )


class LogsOut(serializers.Serializer[Any]):
    """The log of a desktop."""

    pod_name = serializers.CharField(help_text=POD_NAME)
    logs = serializers.CharField(allow_blank=True, help_text="Last lines of the log, separated by line feeds.")


class MetricsNow(serializers.Serializer[Any]):
    """The current resource usage of a desktop."""

    cpu = serializers.FloatField(help_text="CPU cores in use.")
    memory_mib = serializers.FloatField(help_text="Memory in use, in MiB.")
    cpu_limit = serializers.FloatField(allow_null=True, help_text="CPU limit in cores. Null if none or unknown.")
    memory_limit_mib = serializers.FloatField(
        allow_null=True, help_text="Memory limit in MiB. Null if none or unknown."
    )


class MetricsOut(serializers.Serializer[Any]):
    """The resource usage of a desktop."""

    pod_name = serializers.CharField(help_text=POD_NAME)
    metrics = MetricsNow(
        allow_null=True, help_text="Current usage. Null if the desktop is not running or its usage is not measured."
    )
