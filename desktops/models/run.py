"""The history of runs. A run is one start of a desktop until its end; its row outlives the desktop and its owner."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from desktops.models.catalog import Resources
from desktops.models.status import AT_REST, STEPS, Status


class RunResult(models.TextChoices):
    STOPPED = "stopped", _("Stopped")
    RESTARTED = "restarted", _("Restarted")
    FAILED = "failed", _("Failed")
    DELETED = "deleted", _("Deleted")


class DesktopRun(Resources):
    """One run of a desktop. Written in the transaction that changes the desktop; see Desktop.move.

    It refers to its desktop by id, without a foreign key, because it stays when the desktop is deleted.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="desktop_runs",
        verbose_name=_("owner"),
    )
    owner_name = models.CharField(_("username"), max_length=150)  # at that time; stays when the account is deleted
    desktop_id = models.UUIDField(_("ID of the desktop"))
    desktop_name = models.CharField(_("desktop"), max_length=40)
    object_name = models.CharField(_("object name"), max_length=63)
    run = models.PositiveIntegerField(_("run"))
    image_name = models.CharField(_("image"), max_length=100)
    runtime = models.CharField(_("runtime"), max_length=20)
    size_name = models.CharField(_("size"), max_length=50, blank=True)

    queued_at = models.DateTimeField(_("queued"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), null=True, blank=True)
    scheduled_at = models.DateTimeField(_("scheduled"), null=True, blank=True)
    mounted_at = models.DateTimeField(_("volume mounted"), null=True, blank=True)
    pulled_at = models.DateTimeField(_("image pulled"), null=True, blank=True)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    ready_at = models.DateTimeField(_("ready"), null=True, blank=True)
    stopping_at = models.DateTimeField(_("end requested"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    result = models.CharField(_("result"), max_length=10, choices=RunResult, blank=True)  # empty until it ends
    reason = models.CharField(_("reason"), max_length=50, blank=True)  # a slug of desktops.wording.reasons
    # The person who stopped, restarted or deleted it. Empty if it ended by itself or by a rule, which `reason` names.
    ended_by = models.CharField(_("ended by"), max_length=150, blank=True)

    class Meta:
        verbose_name = _("desktop run")
        verbose_name_plural = _("desktop runs")
        constraints = [models.UniqueConstraint(fields=["desktop_id", "run"], name="one_row_per_run")]
        indexes = [
            models.Index(fields=["ended_at"], name="runs_by_end"),  # reports, retention, and runs that have not ended
            models.Index(fields=["owner", "-queued_at"], name="runs_of_an_owner"),
        ]

    def __str__(self) -> str:
        return f"{self.desktop_name} {self.run} ({self.owner_name})"

    # `desktop` below is a Desktop. Its module imports this one.

    @classmethod
    def record_step(cls, desktop: Any, kind: str, at: datetime) -> None:
        """Record the time of a step of a start. A step that is reported again keeps its first time."""
        if kind in STEPS:
            cls._record(desktop, f"{kind}_at", {f"{kind}_at": at})

    @classmethod
    def record_move(cls, desktop: Any, *, before: str, by: str) -> None:
        """Record the change from the status `before` to the present one, which the user `by` asked for, if any."""
        at, reason = desktop.status_since, desktop.reason
        match desktop.status:
            case Status.PENDING:  # the event "queued" begins the row of the new run
                cls.end(desktop.pk, desktop.run - 1, RunResult.RESTARTED, at=at)
            case Status.RUNNING:
                cls._record(desktop, "ready_at", {"ready_at": at})
            case _ if before in AT_REST:
                return  # nothing ran
            case Status.STOPPING:
                cls._record(desktop, "stopping_at", {"stopping_at": at, "ended_by": by, "reason": reason})
            case Status.DELETING:
                cls._record(desktop, "stopping_at", {"stopping_at": at, "ended_by": by})
            case Status.STOPPED | Status.FAILED:
                cls._record(desktop, "ended_at", {"ended_at": at, "result": desktop.status, "reason": reason})

    @classmethod
    def end(cls, desktop_id: UUID, run: int, result: RunResult, *, at: datetime | None = None) -> None:
        """Record the end of a run that has none yet. Does nothing for a run without a row."""
        rows = cls.objects.filter(desktop_id=desktop_id, run=run, ended_at=None)
        rows.update(ended_at=at or timezone.now(), result=result)

    @classmethod
    def _record(cls, desktop: Any, once: str, fields: dict[str, Any]) -> None:
        """Set the fields unless `once` is set. Creates the row of a run that began before there was a history."""
        rows = cls.objects.filter(desktop_id=desktop.pk, run=desktop.run)
        if not rows.filter(**{"ended_at": None, once: None}).update(**fields) and not rows.exists():
            DesktopRun.objects.bulk_create([cls._new(desktop, fields)], ignore_conflicts=True)

    @classmethod
    def _new(cls, desktop: Any, fields: dict[str, Any]) -> "DesktopRun":
        steps = desktop.events.filter(run=desktop.run, kind__in=STEPS).values_list("kind", "at")
        known: dict[str, Any] = {"ready_at": desktop.started_at} | {f"{kind}_at": at for kind, at in steps}
        return DesktopRun(
            owner_id=desktop.owner_id,
            owner_name=desktop.owner.get_username(),
            desktop_id=desktop.pk,
            desktop_name=desktop.name,
            object_name=desktop.object_name,
            run=desktop.run,
            image_name=desktop.image.name,
            runtime=settings.DESKTOP_RUNTIME,
            size_name=desktop.size_name,
            cpu=desktop.cpu,
            memory_mib=desktop.memory_mib,
            storage_gib=desktop.storage_gib,
            gpu=desktop.gpu,
            **known | fields,
        )
