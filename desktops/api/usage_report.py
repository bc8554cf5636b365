"""Report at `admin/reports/usage` what desktops reserved and used, as JSON or CSV, for administrators."""

from datetime import date
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import audit
from accounts.api.endpoint import Endpoint
from core.api.operations import Operation
from core.api.serializers import StrictSerializer
from core.csv_table import csv_table
from desktops.api import examples
from desktops.selectors import usage_reports
from desktops.selectors.usage_reports import COLUMNS, GROUPS, Months, UsageRow, months_later

_MONTH = r"^(20[0-9]{2})-(0[1-9]|1[0-2])$"
_DECIMALS = 3


class UsageReportQuery(StrictSerializer):
    group_by = serializers.ChoiceField(GROUPS, default="user", help_text="What each row adds up.")
    first_month = serializers.RegexField(
        _MONTH,
        required=False,
        trim_whitespace=False,
        help_text="First month, such as 2026-01. If left out, the last month is the present one.",
    )
    months = serializers.IntegerField(min_value=1, max_value=36, default=1, help_text="Number of months.")
    format = serializers.ChoiceField(["json", "csv"], default="json", help_text="Form of the response.")

    def validate_first_month(self, value: str) -> date:
        if value.endswith("\n"):  # "$" also matches before a line break
            raise serializers.ValidationError(self.fields["first_month"].error_messages["invalid"])
        return date(int(value[:4]), int(value[5:]), 1)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        count = attrs["months"]
        if first := attrs.get("first_month"):
            return attrs | {"months": Months(first, months_later(first, count - 1))}
        present = timezone.localdate(timezone=timezone.get_default_timezone())
        return attrs | {"months": Months(months_later(present, 1 - count), months_later(present, 0))}


class UsageRowOut(serializers.Serializer[UsageRow]):
    """What one user, group or image reserved and used, or all users in one month."""

    name = serializers.CharField(help_text="Username, group, image, or month. Empty for users without a group.")
    runs = serializers.IntegerField(help_text="Number of runs that were active at some time in these months.")
    hours = serializers.FloatField(help_text="Hours that they ran.")
    cpu_hours = serializers.FloatField(help_text="Reserved CPU cores, times hours.")
    memory_gib_hours = serializers.FloatField(help_text="Reserved memory in GiB, times hours.")
    gpu_hours = serializers.FloatField(help_text="Reserved GPUs, times hours.")
    cpu_hours_used = serializers.FloatField(help_text="CPU cores that they used, times hours, by samples.")
    memory_gib_hours_used = serializers.FloatField(help_text="Memory in GiB that they used, times hours, by samples.")

    storage_gib_days = serializers.FloatField(help_text="Size of the home folders in GiB, times days.")

    def to_representation(self, instance: UsageRow) -> dict[str, Any]:
        return {name: _rounded(getattr(instance, name)) for name in COLUMNS}


class UsageReportOut(serializers.Serializer[Any]):
    """A report of use."""

    group_by = serializers.ChoiceField(GROUPS, help_text="What each row adds up.")
    first_month = serializers.CharField(help_text="First month, such as 2026-01.")
    last_month = serializers.CharField(help_text="Last month, included.")
    rows = UsageRowOut(many=True, help_text="The rows by name.")


class CSVTable(JSONRenderer):
    """The renderer for `Accept: text/csv`. It renders problems as JSON."""

    media_type, format = "text/csv", "csv"


class UsageReport(Endpoint):
    administers = {"GET": "desktops.view_desktoprun"}
    renderer_classes = [JSONRenderer, CSVTable]
    tag = "Administration"
    operations = {
        "GET": Operation("getUsageReport", "Report the use of desktops", answered={200: examples.USAGE_REPORT}),
    }

    @extend_schema(
        parameters=[UsageReportQuery],
        responses={(200, "application/json"): UsageReportOut, (200, "text/csv"): OpenApiTypes.STR},
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Return CPU, memory and GPU hours and storage days of all desktops by user, group, image or month.

        Months are those of the portal's time zone. With `format=csv` or `Accept: text/csv`, the response is a table
        with one line per row, in which names that a spreadsheet could take for a formula begin with an apostrophe.
        The audit trail records each table as `usage.export`.
        """
        asked = self.query(UsageReportQuery)
        months: Months = asked["months"]
        rows = usage_reports.usage_report(months, group_by=asked["group_by"])
        if asked["format"] == "csv" or isinstance(request.accepted_renderer, CSVTable):
            audit.record(
                "usage.export",
                by=self.actor,
                group_by=asked["group_by"],
                first_month=_text(months.first),
                last_month=_text(months.last),
            )
            return _download(rows)
        found = {"group_by": asked["group_by"], "rows": rows}
        return Response(
            UsageReportOut(found | {"first_month": _text(months.first), "last_month": _text(months.last)}).data
        )


def _download(rows: list[UsageRow]) -> HttpResponse:
    table = csv_table(COLUMNS, ([_rounded(getattr(row, name)) for name in COLUMNS] for row in rows))
    answer = HttpResponse(table, content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="usage.csv"'
    return answer


def _rounded(value: str | float) -> str | float:
    return round(value, _DECIMALS) if isinstance(value, float) else value


def _text(month: date) -> str:
    return f"{month:%Y-%m}"
