"""The leases of node ports."""

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from desktops.models.desktop import Desktop


class PortLease(models.Model):
    """A port of the cluster's nodes, leased to one desktop or found in use by something else."""

    class Use(models.TextChoices):
        VNC = "vnc", "VNC"
        NOVNC = "novnc", "noVNC"
        SSH = "ssh", "SSH"
        FOREIGN = "foreign", _("used by something else")

    port = models.PositiveIntegerField(_("port"), primary_key=True)  # at most one lease per port
    use = models.CharField(_("use"), max_length=10, choices=Use)
    desktop = models.ForeignKey(
        Desktop, models.CASCADE, null=True, blank=True, related_name="ports", verbose_name=_("desktop")
    )
    since = models.DateTimeField(_("since"), default=timezone.now)

    class Meta:
        ordering = ["port"]
        verbose_name = _("node port")
        verbose_name_plural = _("node ports")
        constraints = [
            models.UniqueConstraint(fields=["desktop", "use"], name="one_port_per_desktop_and_use"),
            models.CheckConstraint(
                condition=Q(use="foreign", desktop=None) | (~Q(use="foreign") & Q(desktop__isnull=False)),
                name="foreign_ports_have_no_desktop",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.port} {self.use}"
