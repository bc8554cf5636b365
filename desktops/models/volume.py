"""The home folders of desktops, and the files that people kept."""

import uuid
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

_USUAL_DELETION = timedelta(minutes=5)  # storage that needs longer probably waits for something


class Volume(models.Model):
    """A home folder. If its owner keeps the files, it remains without a desktop and uses only storage quota."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="volumes", verbose_name=_("owner"))
    object_name = models.CharField(_("object name"), max_length=63, unique=True)
    desktop_name = models.CharField(_("desktop"), max_length=40)  # the desktop that the files come from, for people
    storage_gib = models.PositiveIntegerField(_("storage (GiB)"))
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    used_at = models.DateTimeField(null=True, blank=True)  # when a desktop first ran on it; it may hold work since then
    # when its desktop was deleted and the files kept
    kept_at = models.DateTimeField(_("kept since"), null=True, blank=True)
    # When the runtime first reported it missing. It then uses no storage quota. Cleared when it is found again.
    lost_at = models.DateTimeField(_("lost since"), null=True, blank=True)

    # When its deletion was first tried. Null for files that are not being deleted.
    deleting_since = models.DateTimeField(_("being deleted since"), null=True, blank=True)

    class Meta:
        verbose_name = _("volume")
        verbose_name_plural = _("volumes")

    def __str__(self) -> str:
        return self.object_name

    @classmethod
    def being_deleted(cls) -> "models.QuerySet[Volume]":
        """Return the home folders that are being deleted and may still exist in part."""
        return cls.objects.filter(desktop=None, kept_at=None)

    def is_held(self) -> bool:
        """Return whether the deletion takes longer than usual: probably something holds the files."""
        return bool(self.deleting_since and timezone.now() - self.deleting_since > _USUAL_DELETION)
