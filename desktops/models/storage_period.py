"""The history of storage: how much each home folder asked for, and for how long. It outlives folder and owner."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class StoragePeriod(models.Model):
    """A time in which a home folder had one size, owner and state. A change ends the row and begins another.

    Written by desktops.lifecycle.storage_history. It refers to its volume by id, without a foreign key.
    """

    class State(models.TextChoices):
        IN_USE = "in_use", _("In use by a desktop")
        KEPT = "kept", _("Kept without a desktop")

    volume_id = models.UUIDField(_("ID of the volume"))
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("owner")
    )
    owner_name = models.CharField(_("username"), max_length=150)  # at that time; stays when the account is deleted
    desktop_name = models.CharField(_("desktop"), max_length=40)
    # Of the desktop that uses it, or used it last. Empty if it was kept before there was a history.
    image_name = models.CharField(_("image"), max_length=100, blank=True)
    storage_gib = models.PositiveIntegerField(_("storage (GiB)"))
    state = models.CharField(_("state"), max_length=10, choices=State)
    begun_at = models.DateTimeField(_("since"))
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    class Meta:
        verbose_name = _("storage period")
        verbose_name_plural = _("storage periods")
        constraints = [
            models.UniqueConstraint(fields=["volume_id"], condition=Q(ended_at=None), name="one_period_at_a_time")
        ]
        indexes = [
            models.Index(fields=["ended_at"], name="storage_periods_by_end"),  # reports and retention
            models.Index(fields=["volume_id", "-begun_at"], name="storage_periods_of_a_volume"),
        ]

    def __str__(self) -> str:
        return f"{self.storage_gib} GiB ({self.owner_name})"
