"""The first page of the administration: the state of the whole installation."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.client import actor
from core import units
from desktops.models import Status
from desktops.selectors.conditions import conditions_of
from desktops.selectors.installation_overview import InstallationOverview, installation_overview
from desktops.selectors.launch_history import LaunchPeriod
from desktops.web.bar_chart import BarChart, ChartColumn, bar_chart
from desktops.wording import conditions, home_folder
from desktops.wording.reasons import sentence

# An administrator without one of these sees the list of models only.
_NEEDED = ("desktops.view_desktop", "desktops.view_desktoprun", "desktops.view_volume")
_GIB = 2**30
_NEARLY_FULL = 90  # percent
# Where to look: the text of a link, and the list of which model with which filter.
_LISTS = {
    "PodeskLaunchesFail": (_("Show failed runs"), "desktoprun", "?result__exact=failed"),
    "PodeskLaunchesSlow": (_("Show all runs"), "desktoprun", ""),
    "PodeskNoRoomOnNodes": (_("Show desktops that start"), "desktop", "?status__exact=starting"),
    "PodeskNodePortsNearlyUsedUp": (_("Show node ports"), "portlease", ""),
    "PodeskHomeFolderNearlyFull": (_("Show home folders"), "volume", ""),
    "PodeskHomeFoldersLost": (_("Show lost home folders"), "volume", "?lost_at__isempty=0"),
}
_CONTROLLER = {"ok": _("Running"), "late": _("Late"), "missing": _("Missing"), "unknown": _("Unknown")}
_HOME_STATES = {
    "in_use": _("In use by a desktop"),
    "kept": _("Kept without a desktop"),
    "deleting": _("Being deleted"),
    "lost": _("Lost"),
}
_RESOURCES = {"cpu": _("CPU"), "memory": _("Memory"), "storage": _("Storage"), "pods": _("Pods")}


class ShownCondition(NamedTuple):
    alert: str
    critical: bool
    sentence: str
    next_step: str
    link: Any  # empty if there is no list to look at
    address: str


class AmountOfMany(NamedTuple):
    """An amount with a bar that shows its share."""

    name: Any
    text: str
    percent: int
    address: str = ""
    note: str = ""

    @property
    def nearly_full(self) -> bool:
        return self.percent >= _NEARLY_FULL


class StatusShare(NamedTuple):
    """The desktops in one status, with its segment of a bar for all desktops. In percent of the bar."""

    status: str
    name: Any
    number: int
    address: str
    start: float
    width: float


@never_cache
@require_safe
def _index(request: HttpRequest) -> HttpResponse:
    return admin.site.index(request, _overview() if _may_see(request) else None)


@never_cache
@require_safe
def _live(request: HttpRequest) -> HttpResponse:
    """Show the overview alone, for the page's script."""
    if not _may_see(request):
        raise Http404
    return render(request, "admin/_overview.html", _overview())


index, live = admin.site.admin_view(_index), admin.site.admin_view(_live)


def _may_see(request: HttpRequest) -> bool:
    return actor(request).user.has_perms(_NEEDED)


def _overview() -> dict[str, Any]:
    found = installation_overview()
    launches = found.launches
    return {
        "overview": found,
        "conditions": _conditions(found),
        "statuses": _statuses(found.desktops),
        "launch_periods": [(_("Last day"), launches.day), (_("Last week"), launches.week)],
        "hours": _chart(launches.hours, "H:i", every=4),
        "days": _chart(launches.days, "D", every=1),
        "failures": [(sentence(each.slug, {}) or each.slug, each) for each in launches.failures],
        "controller": _CONTROLLER[found.parts.health.controller.status],
        "capacity": _capacity(found),
        "quota": [_quota_line(use) for use in found.parts.quota],
        "disk": _disk(found),
        "backups": [_time(each.last_success) for each in found.parts.leader.backups],
        "certificate_ends": _time(found.parts.leader.certificate_expires_at),
        "home_states": _home_states(found),
        "ending": _ending(found),
        "homes": _homes(found),
        "storage_users": _storage_users(found),
        "active_users": [
            (each, _list_address("desktop", f"?owner__id__exact={each.user_id}")) for each in found.active_users
        ],
    }


def _conditions(found: InstallationOverview) -> list[ShownCondition]:
    return [
        ShownCondition(
            each.alert,
            each.critical,
            conditions.sentence(each.alert, each.facts),
            conditions.next_step(each.alert),
            link,
            _list_address(model, query) if link else "",
        )
        for each in conditions_of(found)
        for link, model, query in [_LISTS.get(each.alert, ("", "", ""))]
    ]


def _list_address(model: str, query: str = "") -> str:
    return reverse(f"admin:desktops_{model}_changelist") + query


def _statuses(counts: dict[str, int]) -> list[StatusShare]:
    total, start, found = sum(counts.values()), 0.0, []
    for status, label in Status.choices:
        width = round(100 * counts[status] / total, 2) if total else 0.0
        address = _list_address("desktop", f"?status__exact={status}")
        found.append(StatusShare(status, label, counts[status], address, round(start, 2), width))
        start += width
    return found


def _chart(periods: list[LaunchPeriod], form: str, *, every: int) -> BarChart:
    columns = []
    for number, period in enumerate(periods):
        at = timezone.localtime(datetime.fromtimestamp(period.start, UTC))
        label = date_format(at, form) if not number % every else ""
        columns.append(ChartColumn(label, _period_name(at, form), period.ready, period.failed))
    return bar_chart(columns)


def _period_name(at: datetime, form: str) -> str:
    return date_format(at, "DATETIME_FORMAT" if form == "H:i" else "DATE_FORMAT")


class CapacityLine(NamedTuple):
    """What active desktops asked for, what all used in the last sample, and what the machines can give."""

    name: Any
    asked: str
    used: str
    machines: str


def _capacity(found: InstallationOverview) -> list[CapacityLine]:
    cpu, memory = found.parts.used or (None, None)
    machines = found.parts.leader.machines
    lines = [
        _capacity_line("cpu", found.asked.cpu, cpu, machines and machines.cpu),
        _capacity_line("memory_mib", found.asked.memory_mib, memory, machines and machines.memory_mib),
    ]
    if found.asked.gpu or (machines and machines.gpu):
        lines.append(_capacity_line("gpu", found.asked.gpu, None, machines and machines.gpu))
    return lines


def _capacity_line(key: str, *numbers: Any) -> CapacityLine:
    texts = ("" if number is None else units.amount(key, number) for number in numbers)
    return CapacityLine(units.LABELS[key], *texts)


def _disk(found: InstallationOverview) -> AmountOfMany | None:
    space = found.parts.leader.storage
    if space is None:
        return None
    total = space.used + space.free
    text = units.use("storage_gib", space.used / _GIB, total / _GIB)
    return AmountOfMany(_("Disk with the home folders"), text, _percent(space.used, total))


def _time(seconds: float | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def _quota_line(use: Any) -> AmountOfMany:
    form = _amount_of(use.resource)
    text = _("%(used)s of %(limit)s") % {"used": form(use.used), "limit": form(use.hard)}
    name = _RESOURCES.get(use.resource.rpartition(".")[2], _("Other"))
    return AmountOfMany(name, text, _percent(use.used, use.hard), note="" if use.resource == "pods" else use.resource)


def _amount_of(resource: str) -> Any:
    if "cpu" in resource:
        return units.cores
    is_bytes = "memory" in resource or "storage" in resource
    return (lambda number: units.storage(number / _GIB)) if is_bytes else units.plain


def _home_states(found: InstallationOverview) -> list[tuple[Any, int, str, str]]:
    """Return name, number, used and reserved storage of the home folders in each state."""
    lines = []
    for state, name in _HOME_STATES.items():
        numbers = found.volumes[state]
        used = units.storage(numbers["used"] / _GIB) if numbers["used"] else ""
        lines.append((name, numbers["count"], used, units.storage(numbers["gib"])))
    return lines


def _ending(found: InstallationOverview) -> dict[str, Any] | None:
    """Return how many kept home folders will be deleted in how many days, or None if kept without limit."""
    if found.ending_soon is None:
        return None
    address = _list_address("volume", "?expires_at__isempty=0&o=9")
    return {"number": found.ending_soon, "days": settings.KEPT_FILES_NOTICE_DAYS, "address": address}


def _homes(found: InstallationOverview) -> list[AmountOfMany]:
    return [
        AmountOfMany(
            home.desktop_name,
            units.storage(home.storage_gib) if home.used_bytes is None else home_folder.use(home),
            min(100, home.used_percent or 0),
            reverse("admin:desktops_volume_change", args=[home.pk]),
            home.owner.get_username(),
        )
        for home in found.homes
    ]


def _storage_users(found: InstallationOverview) -> list[AmountOfMany]:
    most = max((user.gib for user in found.storage_users), default=0)
    return [
        AmountOfMany(
            user.username,
            units.storage(user.gib),
            _percent(user.gib, most),
            _list_address("volume", f"?owner__id__exact={user.user_id}"),
        )
        for user in found.storage_users
    ]


def _percent(part: float, whole: float) -> int:
    return min(100, round(100 * part / whole)) if whole else 0
