"""The statuses of a desktop, and the groups of statuses that other modules ask for."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Status(models.TextChoices):
    PENDING = "pending", _("Queued")
    STARTING = "starting", _("Starting")
    RUNNING = "running", _("Running")
    STOPPING = "stopping", _("Stopping")
    STOPPED = "stopped", _("Stopped")
    FAILED = "failed", _("Failed")
    DELETING = "deleting", _("Deleting")


# ACTIVE: uses CPU, memory and GPU of the quota. MOVING: a job is changing it.
ACTIVE = (Status.PENDING, Status.STARTING, Status.RUNNING, Status.STOPPING)
MOVING = (Status.PENDING, Status.STARTING, Status.STOPPING, Status.DELETING)
LAUNCHING = (Status.PENDING, Status.STARTING)
AT_REST = (Status.STOPPED, Status.FAILED)
# The steps of a start, in order. Each is written once per run, even if it is reported again.
STEPS = ("queued", "created", "scheduled", "mounted", "pulled", "started", "ready")
