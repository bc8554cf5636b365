"""Send their owners' changed SSH keys to running desktops.

The accounts app does not know desktops. It increments a version, and the controller compares it with the version on
each desktop. So a removed key is not forgotten if Redis or the cluster was unavailable at that time.
"""

from django.db.models import F

from desktops.lifecycle import jobs
from desktops.lifecycle.queue import enqueue_again
from desktops.models import Desktop, Status


def queue_renewals() -> None:
    """Queue updates for running desktops with outdated keys, with one query. Others read the keys when they start."""
    outdated = Desktop.objects.filter(status=Status.RUNNING).exclude(ssh_keys_version=F("owner__ssh_keys_version"))
    for desktop_id in outdated.values_list("pk", flat=True):
        enqueue_again(jobs.renew_keys, desktop_id)
