"""List desktops that reserve too much at `admin/reports/size-advice`, and change the size of any desktop."""

from decimal import Decimal
from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.endpoint import Endpoint
from accounts.quotas import memory_quantity
from core.api.operations import Operation
from core.api.serializers import EmptySerializer, StrictSerializer
from desktops import selectors
from desktops.api import examples
from desktops.api.admin_pods import OwnerOut
from desktops.api.output_serializers import POD_NAME
from desktops.api.quantities import Cores, MiB
from desktops.lifecycle.desktop_size import ComputeSize, resize_desktop
from desktops.models import Status
from desktops.selectors import size_advice
from desktops.selectors.size_advice import SizeAdvice


class ComputeSizeOut(serializers.Serializer[ComputeSize]):
    """The CPU and memory that a desktop reserves."""

    cpu = serializers.CharField(help_text='CPU cores, such as "2" or "0.5".')
    memory = serializers.CharField(help_text='Memory, such as "4Gi" or "512Mi".')

    def to_representation(self, instance: ComputeSize) -> dict[str, str]:
        cpu = f"{Decimal(instance.cpu).normalize():f}"
        return {"cpu": cpu, "memory": memory_quantity(instance.memory_mib)}


class SizeAdviceOut(serializers.Serializer[SizeAdvice]):
    """A desktop that reserves too much."""

    pod_name = serializers.CharField(help_text=POD_NAME)
    name = serializers.CharField(help_text="Name of the desktop, unique among those of its owner.")
    owner = OwnerOut()
    status = serializers.ChoiceField(Status.values, help_text="Status of the desktop.")
    hours = serializers.FloatField(help_text="Hours for which there are samples, in these days.")
    reserved = ComputeSizeOut(
        help_text="What it reserves in its present or last run, or at its next start if it was changed since."
    )
    from_next_start = ComputeSizeOut(help_text="What it will reserve from its next start.")
    proposed = ComputeSizeOut(help_text="What would be enough. Send it to POST admin/pods/{pod_name}/resize.")
    cpu_max = serializers.FloatField(help_text="Highest use of CPU, in cores.")
    cpu_p95 = serializers.FloatField(help_text="Cores that 95 percent of the samples do not exceed, in any run.")
    memory_mib_max = serializers.FloatField(help_text="Highest use of memory, in MiB.")
    memory_mib_p95 = serializers.FloatField(help_text="MiB that 95 percent of the samples do not exceed, in any run.")

    def to_representation(self, instance: SizeAdvice) -> dict[str, Any]:
        desktop, owner = instance.desktop, instance.desktop.owner
        sizes = {
            "reserved": ComputeSize(desktop.cpu, desktop.memory_mib),
            "from_next_start": ComputeSize.of_next_start(desktop),
            "proposed": instance.proposed,
        }
        return {
            "pod_name": desktop.object_name,
            "name": desktop.name,
            "owner": {"id": str(owner.pk), "username": owner.get_username()},
            "status": desktop.status,
            "hours": round(instance.hours, 1),
            **{name: ComputeSizeOut(size).data for name, size in sizes.items()},
            "cpu_max": round(instance.cpu.maximum, 3),
            "cpu_p95": round(instance.cpu.p95, 3),
            "memory_mib_max": round(instance.memory.maximum, 1),
            "memory_mib_p95": round(instance.memory.p95, 1),
        }


class SizeAdviceListOut(serializers.Serializer[Any]):
    """The desktops that reserve too much, and the rule by which they were found."""

    days = serializers.IntegerField(help_text="Days up to now whose samples are used.")
    least_hours = serializers.IntegerField(help_text="Hours for which there must be samples.")
    share = serializers.FloatField(help_text="Share of the reserved CPU or memory that the desktop never exceeded.")
    results = SizeAdviceOut(many=True, help_text="The desktops, at most 100, those that would spare the most first.")


@extend_schema_serializer(examples=[OpenApiExample("One core and 2 GiB", value={"cpu": "1", "memory": "2Gi"})])
class ResizeIn(StrictSerializer):
    """What a desktop reserves from its next start."""

    cpu = Cores()
    memory = MiB()


class ResizedOut(serializers.Serializer[Any]):
    """The size of a desktop after the change."""

    pod_name = serializers.CharField(help_text=POD_NAME)
    reserved = ComputeSizeOut(
        help_text="What it reserves in its present or last run, or at its next start if it was changed since."
    )
    from_next_start = ComputeSizeOut(help_text="What it will reserve from its next start.")


class SizeAdviceReport(Endpoint):
    administers = {"GET": "desktops.view_desktoprun"}
    tag = "Administration"
    operations = {
        "GET": Operation("getSizeAdvice", "List desktops that reserve too much", answered={200: examples.SIZE_ADVICE}),
    }

    @extend_schema(responses=SizeAdviceListOut)
    def get(self, request: Request) -> Response:
        """Return the desktops that never used more than a share of the CPU or memory that they reserve.

        Each comes with the highest use, the 95th percentile, and a smaller size that would be enough.
        """
        self.query(EmptySerializer)
        rule = {"days": size_advice.DAYS, "least_hours": size_advice.LEAST_HOURS, "share": size_advice.SHARE}
        return Response(SizeAdviceListOut(rule | {"results": size_advice.size_advice()}).data)


class ResizeAny(Endpoint):
    administers = {"POST": "desktops.change_desktop"}
    tag = "Administration"
    operations = {
        "POST": Operation(
            "resizeAnyPod", "Change the CPU and memory of the desktop of any user", answered={200: examples.RESIZED}
        ),
    }

    @extend_schema(request=ResizeIn, responses=ResizedOut)
    def post(self, request: Request, pod_name: str) -> Response:
        """Change the CPU and memory that a desktop reserves from its next start. Its home folder keeps its size.

        A desktop that is not stopped keeps its present amounts until then, and can only become smaller
        (409 `larger_while_active`). Its owner sees the change in the timeline.
        """
        self.query(EmptySerializer)
        asked = self.body(ResizeIn)
        size = ComputeSize(asked["cpu"], int(asked["memory"]))
        resize_desktop(desktop=selectors.any_desktop_named(pod_name=pod_name), size=size, by=self.actor)
        desktop = selectors.any_desktop_named(pod_name=pod_name)
        sizes = {
            "reserved": ComputeSize(desktop.cpu, desktop.memory_mib),
            "from_next_start": ComputeSize.of_next_start(desktop),
        }
        return Response(ResizedOut({"pod_name": pod_name} | sizes).data)
