"""Desktops that run learn of their owner's new and removed SSH keys. Heard as a signal: accounts knows no desktops."""

from typing import Any

from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from accounts.models import SSHKey
from desktops import jobs
from desktops.models import Desktop, Status
from desktops.queue import enqueue_after_commit


@receiver([post_save, post_delete], sender=SSHKey)
def renew_keys(instance: SSHKey, **_: Any) -> None:
    """One that does not run reads them when it is started."""
    up = Desktop.objects.filter(owner=instance.owner_id, status__in=(Status.STARTING, Status.RUNNING))
    for desktop_id in up.values_list("pk", flat=True):
        enqueue_after_commit(jobs.renew_keys, desktop_id)
