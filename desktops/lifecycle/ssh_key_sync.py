"""Desktops that run learn of their owner's new and removed SSH keys.

accounts knows no desktops and can tell nobody: it counts a version up, and the controller looks which desktops were
told of another. So a removed key is not forgotten because Redis or the cluster was away when it was removed."""

from django.db.models import F

from desktops.lifecycle import jobs
from desktops.lifecycle.queue import enqueue_again
from desktops.models import Desktop, Status


def order_renewals() -> None:
    """One query, whatever the number of desktops. Those that do not run yet read the keys at their start."""
    told_another = Desktop.objects.filter(status=Status.RUNNING).exclude(ssh_keys_version=F("owner__ssh_keys_version"))
    for desktop_id in told_another.values_list("pk", flat=True):
        enqueue_again(jobs.renew_keys, desktop_id)
