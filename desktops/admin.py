"""Admin pages for desktops, their events, the images and sizes on offer, node ports, and volumes."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts import audit
from accounts.admin_bases import AuditedAdmin, ReadOnlyAdmin
from accounts.amount_columns import AmountColumns
from accounts.audit import Actor
from accounts.client import actor
from core import units
from desktops import services
from desktops.exceptions import DesktopRefusal, VolumeLost
from desktops.lifecycle import node_ports
from desktops.lifecycle.backups import requests as backup_requests
from desktops.models import (
    BackupRepository,
    Desktop,
    DesktopEvent,
    DesktopImage,
    DesktopRun,
    DesktopSize,
    PortLease,
    RunUsage,
    Volume,
)
from desktops.web.image_form import DesktopImageForm
from desktops.wording import backup_reasons, home_folder, timeline
from desktops.wording.reasons import sentence

admin.site.site_header = _("Podesk administration")
admin.site.site_title = _("Podesk administration")
admin.site.index_title = _("Overview")


class RowActionsAdmin(ReadOnlyAdmin):
    """Show read-only rows, with actions that call services for each row."""

    def has_manage_permission(self, request: HttpRequest) -> bool:
        """Say whether the user may run actions on these rows."""
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")

    def apply(self, request: HttpRequest, rows: QuerySet[Any], change: Callable[[Any], None]) -> None:
        """Apply `change` to each row. A refusal is shown as a message and does not stop the others."""
        done = 0
        for row in rows:
            try:
                change(row)
                done += 1
            except DesktopRefusal as refusal:
                messages.error(request, f"{row}: {refusal.message}")
        if done:
            text = ngettext("%(count)d is being processed.", "%(count)d are being processed.", done)
            messages.success(request, text % {"count": done})


@admin.register(Desktop)
class DesktopAdmin(AmountColumns, RowActionsAdmin):
    list_display = ("name", "owner", "status", "events_link", "image", "size_name", "status_since", "last_input_at")
    list_filter = ("status", "image")
    list_select_related = ("owner", "image")
    search_fields = ("name", "owner__username", "owner__email", "object_name", "id__exact")
    ordering = ("-status_since",)
    actions = ("stop", "delete_and_keep_files")
    fieldsets = (
        (None, {"fields": ("name", "owner", "status", "status_since", "why", "events_link")}),
        (
            _("Configuration"),
            {"fields": ("image", "size_name", "cpu_amount", "memory_amount", "storage_amount", "gpu", "volume")},
        ),
        (_("From the next start"), {"fields": ("next_cpu", "next_memory_mib")}),
        (_("Time"), {"fields": ("created_at", "started_at", "last_input_at", "expires_at", "idle_minutes")}),
        (_("For tracing"), {"fields": ("id", "object_name", "run", "reason", "exposed", "node_ports", "last_log")}),
    )

    @admin.display(description=_("exposed at"))
    def exposed(self, desktop: Desktop) -> str:
        ports = {"VNC": desktop.exposed_vnc, "noVNC": desktop.exposed_novnc, "SSH": desktop.exposed_ssh}
        return " ".join([desktop.exposed_host, *(f"{use} {port}" for use, port in ports.items() if port)])

    @admin.display(description=PortLease._meta.verbose_name_plural)
    def node_ports(self, desktop: Desktop) -> str:
        return ", ".join(f"{lease.get_use_display()} {lease.port}" for lease in desktop.ports.all())

    @admin.display(description=_("why"))
    def why(self, desktop: Desktop) -> str:
        return sentence(desktop.reason, desktop.reason_facts) if desktop.reason else ""

    @admin.display(description=_("events"))
    def events_link(self, desktop: Desktop) -> SafeString:
        address = reverse("admin:desktops_desktopevent_changelist")
        return format_html('<a href="{}?desktop__id__exact={}">{}</a>', address, desktop.pk, _("Show events"))

    @admin.action(description=_("Stop the selected desktops"), permissions=["manage"])
    def stop(self, request: HttpRequest, rows: QuerySet[Desktop]) -> None:
        self.apply(request, rows, lambda desktop: services.stop_desktop(desktop=desktop, by=actor(request)))

    @admin.action(description=_("Delete the selected desktops and keep their files"), permissions=["manage"])
    def delete_and_keep_files(self, request: HttpRequest, rows: QuerySet[Desktop]) -> None:
        by = actor(request)
        self.apply(request, rows, lambda desktop: services.delete_desktop(desktop=desktop, by=by, keep_data=True))


@admin.register(DesktopEvent)
class DesktopEventAdmin(ReadOnlyAdmin):
    list_display = ("at", "desktop", "sentence", "run", "params")
    list_filter = ("kind",)
    list_select_related = ("desktop__owner",)
    ordering = ("-at", "-id")

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        return lookup == "desktop__id__exact" or super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]

    @admin.display(description=_("event"), ordering="kind")
    def sentence(self, event: DesktopEvent) -> str:
        return timeline.sentence(event.kind)


@admin.register(DesktopRun)
class DesktopRunAdmin(AmountColumns, ReadOnlyAdmin):
    list_display = (
        "queued_at",
        "desktop_name",
        "owner_name",
        "image_name",
        "ready_at",
        "ended_at",
        "result",
        "ended_by",
    )
    list_filter = ("result", "image_name", "runtime")
    search_fields = ("desktop_name", "owner_name", "object_name", "desktop_id__exact", "ended_by")
    ordering = ("-id",)  # as they were queued; needs no sorting of a long history
    fieldsets = (
        (None, {"fields": ("desktop_name", "owner_name", "owner", "run", "result", "why", "ended_by")}),
        (
            _("Configuration"),
            {"fields": ("image_name", "size_name", "cpu_amount", "memory_amount", "storage_amount", "gpu", "runtime")},
        ),
        (_("Use"), {"fields": ("cpu_used", "memory_used")}),
        (_("Time"), {"fields": (*(f"{step}_at" for step in DesktopEvent.STEPS), "stopping_at", "ended_at")}),
        (_("For tracing"), {"fields": ("desktop_id", "object_name", "reason")}),
    )

    @admin.display(description=_("CPU used"))
    def cpu_used(self, run: DesktopRun) -> str:
        return self._used(run, "cpu", "cpu")

    @admin.display(description=_("memory used"))
    def memory_used(self, run: DesktopRun) -> str:
        return self._used(run, "memory", "memory_mib")

    def _used(self, run: DesktopRun, kind: str, key: str) -> str:
        usage = RunUsage.objects.filter(run=run).first()
        if not usage:
            return str(_("not measured"))
        amounts = {name: units.amount(key, getattr(usage, f"{kind}_{name}")) for name in ("mean", "p95", "max")}
        text = _("%(mean)s on average, at most %(p95)s in 95 %% of the samples, at most %(max)s in all")
        return str(text % amounts)

    @admin.display(description=_("why"))
    def why(self, run: DesktopRun) -> str:
        return sentence(run.reason, {}) if run.reason else ""


@admin.register(DesktopSize)
class DesktopSizeAdmin(AmountColumns, AuditedAdmin):
    audit_subject = "size"
    list_display = ("name", "cpu_amount", "memory_amount", "storage_amount", "gpu")


@admin.register(DesktopImage)
class DesktopImageAdmin(AuditedAdmin):
    audit_subject = "image"
    list_display = ("name", "description", "image", "enabled", "position")
    list_editable = ("enabled", "position")
    list_filter = ("enabled",)
    search_fields = ("name", "image")
    filter_horizontal = ("sizes",)
    form = DesktopImageForm
    fieldsets = (
        (None, {"fields": ("name", "description", "icon", "image", "sizes", "enabled", "position")}),
        (
            _("Placement on Kubernetes"),
            {
                "fields": ("node_selector", "tolerations", "priority_class", "pull_secret", "gpu_resource"),
                "description": _(
                    "Where Kubernetes may run it, and what it needs there."
                    " A wrong name is reported when a desktop starts."
                ),
            },
        ),
    )


@admin.register(PortLease)
class PortLeaseAdmin(RowActionsAdmin):
    list_display = ("port", "use", "desktop", "since")
    list_filter = ("use",)
    list_select_related = ("desktop__owner",)
    search_fields = ("port", "desktop__name", "desktop__owner__username", "desktop__object_name")
    actions = ("try_again",)

    @admin.action(description=_("Retry the selected ports that another service used"), permissions=["manage"])
    @transaction.atomic
    def try_again(self, request: HttpRequest, rows: QuerySet[PortLease]) -> None:
        """Release ports that were found in use by something else. Ports of desktops are never released here."""
        tried = [lease.port for lease in rows if node_ports.forget_foreign(lease.port)]
        if tried:
            audit.record("port.try_again", by=actor(request), target=", ".join(map(str, tried)))
        text = ngettext("%d port can be assigned again.", "%d ports can be assigned again.", len(tried))
        messages.success(request, text % len(tried))


@admin.register(Volume)
class VolumeAdmin(AmountColumns, RowActionsAdmin):
    list_display = (
        "object_name",
        "owner",
        "desktop_name",
        "storage_amount",
        "used_amount",
        "used_measured_at",
        *("created_at", "kept_at", "expires_at", "lost_at", "deleting_since"),
    )
    # The fullest first; those that were never measured come last.
    ordering = (Volume.fill_expression().desc(), "object_name")
    exclude = ("used_bytes", "usable_bytes", "measurement_unfinished")
    readonly_fields = ("used_amount",)
    list_filter = tuple(
        (name, admin.EmptyFieldListFilter) for name in ("lost_at", "kept_at", "expires_at", "deleting_since")
    )
    list_select_related = ("owner",)
    search_fields = ("object_name", "owner__username", "desktop_name")
    actions = ("delete_files",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Volume]:
        rows: QuerySet[Volume] = super().get_queryset(request)
        return rows.annotate(fill=Volume.fill_expression())

    @admin.display(description=_("used"), ordering="fill")
    def used_amount(self, volume: Volume) -> str:
        if volume.used_bytes is None:
            return "-"
        return f"{home_folder.use(volume)} ({volume.used_percent} %)"

    @admin.action(description=_("Permanently delete the selected files"), permissions=["manage"])
    def delete_files(self, request: HttpRequest, rows: QuerySet[Volume]) -> None:
        self.apply(request, rows, lambda volume: services.delete_volume(volume=volume, by=actor(request)))


@admin.register(BackupRepository)
class BackupRepositoryAdmin(AmountColumns, RowActionsAdmin):
    """Ages, sizes and failures of backups. What is in them is for their owners only."""

    list_display = ("desktop_name", "owner", "succeeded_at", "failed_since", "why", "damaged_since", "size", "due_at")
    list_filter = tuple((name, admin.EmptyFieldListFilter) for name in ("failed_since", "damaged_since", "volume"))
    list_select_related = ("owner", "volume")
    search_fields = ("desktop_name", "owner__username", "id__exact")
    ordering = ("succeeded_at",)  # the oldest last backup first
    actions = ("back_up_now",)
    fields = (
        *("desktop_name", "owner", "volume", "storage_amount", "created_at", "succeeded_at", "failed_since", "why"),
        *("damaged_since", "size", "due_at", "checked_at", "id"),
    )

    def has_module_permission(self, request: HttpRequest) -> bool:
        return backup_requests.available() and super().has_module_permission(request)

    @admin.display(description=_("size"), ordering="size_bytes")
    def size(self, repository: BackupRepository) -> str:
        return units.data_size(repository.size_bytes)

    @admin.display(description=_("why"))
    def why(self, repository: BackupRepository) -> str:
        return backup_reasons.sentence(repository.reason)

    @admin.action(description=_("Back up the selected home folders now"), permissions=["manage"])
    def back_up_now(self, request: HttpRequest, rows: QuerySet[BackupRepository]) -> None:
        by = actor(request)
        self.apply(request, rows, lambda repository: _back_up(repository, by))


def _back_up(repository: BackupRepository, by: Actor) -> None:
    if repository.volume is None:
        raise VolumeLost
    backup_requests.back_up_now(volume=repository.volume, by=by)
