"""The home folders of desktops, and the files that people kept."""

import uuid
from datetime import UTC, timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Case, Value, When
from django.db.models.functions import Cast, Coalesce, Least
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

NEARLY_FULL, ALMOST_FULL = 80, 95  # percent of the size from which the owner is warned
_GIB = 2**30
_USUAL_DELETION = timedelta(minutes=5)  # storage that needs longer probably waits for something


class Volume(models.Model):
    """A home folder. If its owner keeps the files, it remains without a desktop and uses only storage quota."""

    NOT_KEPT: ClassVar[dict[str, None]] = {"kept_at": None, "expires_at": None, "postponed_at": None}

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="volumes", verbose_name=_("owner"))
    object_name = models.CharField(_("object name"), max_length=63, unique=True)
    desktop_name = models.CharField(_("desktop"), max_length=40)  # the desktop that the files come from, for people
    storage_gib = models.PositiveIntegerField(_("storage (GiB)"))
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    used_at = models.DateTimeField(null=True, blank=True)  # when a desktop first ran on it; it may hold work since then
    # when its desktop was deleted and the files kept
    kept_at = models.DateTimeField(_("kept since"), null=True, blank=True)
    # When kept files are deleted, as shown to their owner, who can postpone it once. Null: never, or no date was set.
    expires_at = models.DateTimeField(_("kept until"), null=True, blank=True)
    postponed_at = models.DateTimeField(null=True, blank=True)
    # When the runtime first reported it missing. It then uses no storage quota. Cleared when it is found again.
    lost_at = models.DateTimeField(_("lost since"), null=True, blank=True)

    # When its deletion was first tried. Null for files that are not being deleted.
    deleting_since = models.DateTimeField(_("being deleted since"), null=True, blank=True)

    # The last measurement from inside its desktop, which is the owner's claim: never use it for admission.
    used_bytes = models.BigIntegerField(_("used"), null=True, blank=True)
    usable_bytes = models.BigIntegerField(null=True, blank=True)  # what its file system can hold, perhaps shared
    used_measured_at = models.DateTimeField(_("measured"), null=True, blank=True)
    # The last measurement took too long, so the figures are older.
    measurement_unfinished = models.BooleanField(default=False, db_default=False)

    class Meta:
        verbose_name = _("volume")
        verbose_name_plural = _("volumes")

    def __str__(self) -> str:
        return self.object_name

    @classmethod
    def being_deleted(cls) -> "models.QuerySet[Volume]":
        """Return the home folders that are being deleted and may still exist in part."""
        return cls.objects.filter(desktop=None, kept_at=None)

    @classmethod
    def with_end(cls) -> "models.QuerySet[Volume]":
        """Return the kept files that may have an end. Owners of disabled accounts could not see or postpone it."""
        if not settings.KEPT_FILES_DAYS:
            return cls.objects.none()
        return cls.objects.filter(kept_at__isnull=False, lost_at=None, owner__is_active=True)

    @classmethod
    def expired(cls) -> "models.QuerySet[Volume]":
        """Return the kept files whose end has come."""
        return cls.with_end().filter(expires_at__lte=timezone.now())

    @classmethod
    def ending_soon(cls) -> "models.QuerySet[Volume]":
        """Return the kept files whose owners are warned of their end, soonest first."""
        soon = timezone.now() + timedelta(days=settings.KEPT_FILES_NOTICE_DAYS)
        return cls.with_end().filter(expires_at__lte=soon).order_by("expires_at", "pk")

    @classmethod
    def fill_expression(cls) -> Coalesce:
        """Return the used percent of the limit as a database expression, like `used_percent`. -1: not measured."""
        size = Cast("storage_gib", models.FloatField()) * _GIB
        usable = Coalesce(Cast("usable_bytes", models.FloatField()), size)
        used = Cast("used_bytes", models.FloatField())
        limit = Case(When(usable_bytes__gt=0, then=Least(size, usable)), default=size)
        return Coalesce(100.0 * used / limit, Value(-1.0), output_field=models.FloatField())

    @property
    def limit_bytes(self) -> int:
        """Return how much the folder can hold: its size, or less if its own file system cannot hold that."""
        return min(self.storage_gib * _GIB, self.usable_bytes or self.storage_gib * _GIB)

    @property
    def is_limit_enforced(self) -> bool | None:
        """Return whether the storage itself stops the folder at its size, or None if that is not known.

        A file system that can hold more than this folder is shared, such as an NFS export.
        """
        return None if self.usable_bytes is None else self.usable_bytes <= self.storage_gib * _GIB

    @property
    def used_percent(self) -> int | None:
        return None if self.used_bytes is None else 100 * self.used_bytes // max(1, self.limit_bytes)

    @property
    def fill_level(self) -> str:
        """Return "unknown", "ok", "nearly_full" or "almost_full"."""
        percent = self.used_percent
        if percent is None:
            return "unknown"
        return "almost_full" if percent >= ALMOST_FULL else "nearly_full" if percent >= NEARLY_FULL else "ok"

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()

    @property
    def is_ending_soon(self) -> bool:
        notice = timedelta(days=settings.KEPT_FILES_NOTICE_DAYS)
        return self.expires_at is not None and self.expires_at <= timezone.now() + notice

    def home_folder(self) -> dict[str, Any]:
        """Return its use as plain values, for snapshots and the API."""
        at = self.used_measured_at
        return {
            "used_bytes": self.used_bytes,
            "limit_bytes": self.limit_bytes,
            "used_percent": self.used_percent,
            "level": self.fill_level,
            "limit_enforced": self.is_limit_enforced,
            "measured_at": at and at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "measurement_unfinished": self.measurement_unfinished,
        }

    def is_held(self) -> bool:
        """Return whether the deletion takes longer than usual: probably something holds the files."""
        return bool(self.deleting_since and timezone.now() - self.deleting_since > _USUAL_DELETION)
