"""The administration's page of the usage report, with a table to download."""

from datetime import date
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts import audit
from accounts.client import actor
from core.csv_table import csv_table
from desktops.selectors.usage_reports import COLUMNS, Months, UsageRow, months_later, usage_report

_NEEDED = "desktops.view_desktoprun"
_GROUPS = {"user": _("User"), "group": _("Group"), "image": _("Image"), "month": _("Month")}
_HEADS = {
    "runs": _("Runs"),
    "hours": _("Hours"),
    "cpu_hours": _("CPU-hours"),
    "cpu_hours_used": _("CPU-hours used"),
    "memory_gib_hours": _("Memory, GiB-hours"),
    "memory_gib_hours_used": _("Memory used, GiB-hours"),
    "gpu_hours": _("GPU-hours"),
    "storage_gib_days": _("Storage, GiB-days"),
}


class UsageReportForm(forms.Form):
    group_by = forms.ChoiceField(label=_("Rows"), choices=list(_GROUPS.items()))
    first_month = forms.RegexField(
        r"\A20[0-9]{2}-(0[1-9]|1[0-2])\Z",
        label=_("First month"),
        widget=forms.TextInput(attrs={"type": "month", "min": "2000-01", "max": "2099-12"}),
    )
    months = forms.IntegerField(label=_("Months"), min_value=1, max_value=36)

    def range(self) -> Months:
        year, month = self.cleaned_data["first_month"].split("-")
        first = date(int(year), int(month), 1)
        return Months(first, months_later(first, self.cleaned_data["months"] - 1))


@never_cache
@require_safe
def _page(request: HttpRequest) -> HttpResponse:
    if not actor(request).user.has_perm(_NEEDED):
        raise Http404
    form = UsageReportForm(_usual() | request.GET.dict())
    if not form.is_valid():
        return _shown(request, {"form": form})
    months, group_by = form.range(), form.cleaned_data["group_by"]
    rows = usage_report(months, group_by=group_by)
    if request.GET.get("format") == "csv":
        return _download(request, rows, months, group_by)
    lines = [(row.name, [getattr(row, name) for name in _HEADS]) for row in rows]
    table = urlencode(form.cleaned_data | {"format": "csv"})
    return _shown(request, {"form": form, "lines": lines, "name": _GROUPS[group_by], "table": table})


page = admin.site.admin_view(_page)


def _usual() -> dict[str, Any]:
    present = timezone.localdate(timezone=timezone.get_default_timezone())
    return {"group_by": "user", "first_month": f"{present:%Y-%m}", "months": 1}


def _shown(request: HttpRequest, values: dict[str, Any]) -> HttpResponse:
    title = {"title": gettext("Usage report"), "heads": _HEADS.values()}
    status = 200 if "lines" in values else 422
    return render(request, "admin/usage_report.html", admin.site.each_context(request) | title | values, status=status)


def _download(request: HttpRequest, rows: list[UsageRow], months: Months, group_by: str) -> HttpResponse:
    first, last = (f"{month:%Y-%m}" for month in (months.first, months.last))
    audit.record("usage.export", by=actor(request), group_by=group_by, first_month=first, last_month=last)
    cells = ([_cell(getattr(row, name)) for name in COLUMNS] for row in rows)
    answer = HttpResponse(csv_table(COLUMNS, cells), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="usage.csv"'
    return answer


def _cell(value: str | float) -> str | float:
    return round(value, 3) if isinstance(value, float) else value
