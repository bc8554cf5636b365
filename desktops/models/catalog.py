"""What people can launch: images of desktops, and their sizes."""

from decimal import Decimal
from typing import Any

from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _


class Resources(models.Model):
    """The amounts of the quota that something uses."""

    cpu = models.DecimalField(
        _("CPU cores"), max_digits=6, decimal_places=2, validators=[MinValueValidator(Decimal("0.1"))]
    )
    memory_mib = models.PositiveIntegerField(_("memory (MiB)"), validators=[MinValueValidator(128)])
    storage_gib = models.PositiveIntegerField(_("storage (GiB)"), validators=[MinValueValidator(1)])
    gpu = models.PositiveIntegerField(_("GPUs"), default=0)

    class Meta:
        abstract = True


class DesktopSize(Resources):
    name = models.CharField(_("name"), max_length=50, unique=True)

    class Meta:
        ordering = ["cpu", "memory_mib", "name"]
        verbose_name = _("desktop size")
        verbose_name_plural = _("desktop sizes")

    def __str__(self) -> str:
        return self.name


class DesktopImage(models.Model):
    """A kind of desktop that people can launch."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    description = models.CharField(_("description"), max_length=200, blank=True)
    image = models.CharField(
        _("container image"),
        max_length=255,
        blank=True,
        help_text=_("Empty: the installation's own (DESKTOP_IMAGE). Ignored by the local runtime."),
    )
    icon = models.CharField(_("icon"), max_length=50, default="desktop")
    sizes = models.ManyToManyField(DesktopSize, verbose_name=_("sizes"))
    enabled = models.BooleanField(_("enabled"), default=True)
    position = models.PositiveSmallIntegerField(_("position"), default=100)

    node_selector: Any = models.JSONField(
        _("node selector"), default=dict, blank=True, help_text=_('Labels that a node must have: {"disk": "ssd"}')
    )
    tolerations: Any = models.JSONField(
        _("tolerations"),
        default=list,
        blank=True,
        help_text=_('Taints of nodes that it may ignore: [{"key": "gpu", "operator": "Exists"}]'),
    )
    priority_class = models.CharField(_("priority class"), max_length=63, blank=True)
    pull_secret = models.CharField(
        _("image pull secret"),
        max_length=63,
        blank=True,
        help_text=_("Name of the secret with the registry's credentials. Empty: the installation's own."),
    )
    gpu_resource = models.CharField(_("GPU resource"), max_length=100, default="nvidia.com/gpu")

    class Meta:
        ordering = ["position", "name"]
        verbose_name = _("desktop image")
        verbose_name_plural = _("desktop images")

    def __str__(self) -> str:
        return self.name
