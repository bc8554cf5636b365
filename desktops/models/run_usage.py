"""The CPU and memory that a run has used, from samples that are not kept themselves."""

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from desktops.models.run import DesktopRun
from desktops.models.usage_histogram import percentile


class RunUsage(models.Model):
    """The summary of the samples of one run. A row of its own, so that each round of samples is one small update."""

    run = models.OneToOneField(DesktopRun, models.CASCADE, primary_key=True, related_name="usage")
    sampled_at = models.DateTimeField(_("last sample"))
    samples = models.PositiveIntegerField(_("samples"), default=0)
    cpu_seconds = models.FloatField(default=0)
    memory_byte_seconds = models.FloatField(default=0)
    # cores
    cpu_mean = models.FloatField(default=0)
    cpu_max = models.FloatField(default=0)
    cpu_histogram: Any = models.JSONField(default=dict)  # see usage_histogram
    # MiB
    memory_mean = models.FloatField(default=0)
    memory_max = models.FloatField(default=0)
    memory_histogram: Any = models.JSONField(default=dict)

    class Meta:
        verbose_name = _("use of a run")
        verbose_name_plural = _("use of runs")

    def __str__(self) -> str:
        return f"{self.samples} samples"

    @property
    def cpu_p95(self) -> float:
        """Return the cores that 95 % of the samples do not exceed."""
        return min(self.cpu_max, percentile(self.cpu_histogram, 0.95))  # a bucket's middle may be above the maximum

    @property
    def memory_p95(self) -> float:
        """Return the MiB that 95 % of the samples do not exceed."""
        return min(self.memory_max, percentile(self.memory_histogram, 0.95))
