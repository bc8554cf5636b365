"""Desktops and the lines of their timelines. A status changes in one way only: `Desktop.move`."""

import uuid
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from desktops import desktop_snapshot, notify, status_cache
from desktops.models.catalog import DesktopImage, Resources
from desktops.models.run import DesktopRun
from desktops.models.status import STEPS, Status
from desktops.models.volume import Volume


class Desktop(Resources):
    """One person's desktop, from first launch until deleted."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="desktops", verbose_name=_("owner")
    )
    name = models.CharField(_("name"), max_length=40, default="desktop")
    image = models.ForeignKey(DesktopImage, models.PROTECT, verbose_name=_("image"))
    language = models.CharField(_("language"), max_length=10, blank=True)  # Django's code, for the programs inside
    time_zone = models.CharField(_("time zone"), max_length=64, blank=True)  # empty: the owner's
    size_name = models.CharField(_("size"), max_length=50, blank=True)
    # The CPU and memory from the next start, if they were changed while the desktop was active; both or neither.
    next_cpu = models.DecimalField(_("CPU cores"), max_digits=6, decimal_places=2, null=True, blank=True)
    next_memory_mib = models.PositiveIntegerField(_("memory (MiB)"), null=True, blank=True)
    volume = models.OneToOneField(Volume, models.PROTECT, verbose_name=_("volume"))
    # The name of the runtime's objects. Stored once and never computed again.
    object_name = models.CharField(_("object name"), max_length=63, unique=True)

    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.PENDING)
    status_since = models.DateTimeField(_("since"), default=timezone.now)
    run = models.PositiveIntegerField(_("run"), default=1)  # number of the start; results of earlier runs are ignored
    restarting = models.BooleanField(default=False)  # start again after it has stopped
    keep_data = models.BooleanField(default=True)  # when deleting: keep the volume?
    # Why it failed, stopped or waits: a slug of desktops.wording.reasons.
    reason = models.CharField(_("reason"), max_length=50, blank=True)
    reason_facts: Any = models.JSONField(
        default=dict, blank=True
    )  # values for its sentence; see desktops.wording.reasons.sentence
    reason_since = models.DateTimeField(null=True, blank=True)  # when the current wait of a start began
    # The last output before it failed. A desktop that no longer runs has no other log.
    last_log = models.TextField(_("log of its failure"), blank=True, default="")
    container_restarts = models.PositiveIntegerField(default=0)  # within this run, as written to the timeline

    endpoint_kind = models.CharField(max_length=10, blank=True)  # "unix" or "tcp"
    endpoint_address = models.CharField(max_length=255, blank=True)
    endpoint_port = models.PositiveIntegerField(default=0)
    vnc_password_sealed = models.CharField(max_length=255, blank=True)  # see core.encryption
    host_key_sealed = models.TextField(blank=True)  # SSH host key; created once so that clients recognize the desktop
    # the version of the owner's keys on the desktop
    ssh_keys_version = models.PositiveIntegerField(default=0, editable=False)
    # Where VNC and SSH programs outside reach it; see desktops.runtimes.base.Exposed.
    exposed_host = models.CharField(max_length=255, blank=True)
    exposed_vnc = models.PositiveIntegerField(default=0)
    exposed_novnc = models.PositiveIntegerField(default=0)
    exposed_ssh = models.PositiveIntegerField(default=0)

    created_at = models.DateTimeField(_("created"), default=timezone.now)
    started_at = models.DateTimeField(_("running since"), null=True, blank=True)
    last_input_at = models.DateTimeField(_("last input"), null=True, blank=True)
    expires_at = models.DateTimeField(_("stops at"), null=True, blank=True)
    idle_minutes = models.PositiveIntegerField(_("idle time (minutes)"), default=0)  # 0: never stopped for idleness

    class Meta:
        ordering = ["created_at"]
        verbose_name = _("desktop")
        verbose_name_plural = _("desktops")
        constraints = [
            # One desktop only, even after two clicks, in two tabs, on two replicas.
            models.UniqueConstraint(fields=["owner", "name"], name="one_desktop_per_name_and_owner"),
            models.CheckConstraint(condition=Q(status__in=Status.values), name="known_status"),
            models.CheckConstraint(
                condition=Q(next_cpu=None, next_memory_mib=None) | Q(next_cpu__gt=0, next_memory_mib__gt=0),
                name="both_amounts_or_neither",
            ),
        ]
        indexes = [models.Index(fields=["status", "status_since"], name="desktop_by_status")]  # the controller's sweeps

    def __str__(self) -> str:
        return f"{self.name} ({self.owner})"

    def move(
        self, *, to: Status, event: str = "", event_params: dict[str, Any] | None = None, by: str = "", **fields: Any
    ) -> bool:
        """Change the status and `fields`, but only if the row still has the status and run of this instance.

        Returns whether it did. This is the only way to change a status. Also writes the timeline's event and the
        history of runs and, after commit, notifies the owner's open pages. `by` is the name of the user who asked.
        """
        before = self.status
        fields |= {"status": to, "status_since": timezone.now()}
        with transaction.atomic():
            if not type(self).objects.filter(pk=self.pk, status=self.status, run=self.run).update(**fields):
                return False
            for name, value in fields.items():
                setattr(self, name, value)
            DesktopRun.record_move(self, before=before, by=by)
            DesktopEvent.write(self, event or to, **(event_params or {}))
            self.notify_owner()
        return True

    def notify_owner(self) -> None:
        """After commit, renew what scripts read and notify the owner's open pages and streams of the change."""
        # First, because a page that hears of the change reads at once and must not get the old snapshot.
        self.renew_snapshot()
        notify.notify_owner_after_commit(owner_id=self.owner_id, desktop_id=self.pk, status=self.status)

    def renew_snapshot(self) -> None:
        """After commit, renew what scripts read, without a notification."""
        name = self.object_name
        status_cache.renew_after_commit(name, lambda: type(self).snapshot_of(name))

    @classmethod
    def snapshot_of(cls, object_name: str) -> desktop_snapshot.DesktopSnapshot | None:
        row = cls.objects.select_related("image", "volume").filter(object_name=object_name).first()
        return desktop_snapshot.snapshot_of(row) if row else None


class DesktopEvent(models.Model):
    """One line of a desktop's timeline. `kind` names a sentence in desktops.wording.timeline; `params` fill it in."""

    STEPS = STEPS

    desktop = models.ForeignKey(Desktop, models.CASCADE, related_name="events", verbose_name=_("desktop"))
    run = models.PositiveIntegerField(_("run"))
    at = models.DateTimeField(_("time"), default=timezone.now)
    kind = models.CharField(_("event"), max_length=40)
    params: Any = models.JSONField(_("details"), default=dict, blank=True)

    class Meta:
        ordering = ["at", "id"]
        verbose_name = _("desktop event")
        verbose_name_plural = _("desktop events")
        constraints = [
            models.UniqueConstraint(
                fields=["desktop", "run", "kind"],
                condition=Q(kind__in=("queued", "created", "scheduled", "mounted", "pulled", "started", "ready")),
                name="each_step_once_per_run",
            )
        ]
        indexes = [models.Index(fields=["desktop", "-at"], name="timeline_of_a_desktop")]

    def __str__(self) -> str:
        return f"{self.kind} {self.at:%H:%M:%S}"

    @classmethod
    def write(cls, desktop: Desktop, kind: str, *, at: datetime | None = None, **params: Any) -> None:
        """Write one line of the timeline, and the time of a step into the history of runs.

        Locks the desktop's row first, so that line numbers grow in commit order. A reader that has seen one number has
        missed no lower one.
        """
        event = DesktopEvent(desktop=desktop, run=desktop.run, kind=kind, at=at or timezone.now(), params=params)
        with transaction.atomic():
            Desktop.objects.select_for_update(no_key=True).filter(pk=desktop.pk).values_list("pk").first()
            DesktopEvent.objects.bulk_create([event], ignore_conflicts=True)
            DesktopRun.record_step(desktop, kind, event.at)
