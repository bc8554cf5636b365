"""The rows of home folders: created, used again, lost when the runtime no longer has them, and found again."""

from collections.abc import Container
from datetime import datetime
from uuid import uuid4

import structlog
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from desktops.exceptions import VolumeInUse, VolumeLost
from desktops.lifecycle import storage_history
from desktops.lifecycle.restores import refuse_if_being_restored
from desktops.models import Desktop, Volume
from desktops.runtimes import names

log = structlog.get_logger("podesk.volumes")


def create(owner: User, desktop_name: str, storage_gib: int) -> Volume:
    identity = uuid4()
    return Volume.objects.create(
        id=identity,
        owner=owner,
        object_name=names.volume_name(owner.get_username(), str(identity)),
        desktop_name=desktop_name,
        storage_gib=storage_gib,
    )


def use_again(owner: User, kept: Volume) -> Volume:
    """Use kept files for a new desktop. Raises VolumeLost, VolumeInUse, BeingRestored."""
    refuse_if_being_restored(kept.pk)
    free = Volume.objects.filter(pk=kept.pk, owner=owner, kept_at__isnull=False)
    if free.filter(lost_at__isnull=False).exists():
        raise VolumeLost(field="volume")
    if not free.update(**Volume.NOT_KEPT):
        raise VolumeInUse(field="volume")
    return Volume.objects.get(pk=kept.pk)


def replace_lost(desktop: Desktop) -> Volume:
    """Create an empty home folder for a desktop whose own is lost. The lost one stays listed in case it is restored."""
    lost = desktop.volume
    Volume.objects.filter(pk=lost.pk).update(kept_at=timezone.now(), desktop_name=desktop.name)
    return create(desktop.owner, desktop.name, lost.storage_gib)


@transaction.atomic
def note_lost(volume: Volume) -> None:
    """Record that the runtime no longer has the folder, and notify administrators (log) and the owner's pages once."""
    if Volume.objects.filter(pk=volume.pk, lost_at=None).update(lost_at=timezone.now()):
        storage_history.record(volume.pk)
        owner = str(volume.owner_id)
        log.warning("volume_lost", volume=volume.object_name, desktop_name=volume.desktop_name, owner=owner)
        _notify_owner(volume)


@transaction.atomic
def note_found(volume: Volume) -> None:
    """Record that a lost home folder exists again, for example after an administrator restored it."""
    if Volume.objects.filter(pk=volume.pk, lost_at__isnull=False).update(lost_at=None):
        storage_history.record(volume.pk)
        log.info("volume_found", volume=volume.object_name)
        _notify_owner(volume)


def note_deleting(volume: Volume) -> None:
    """Record when the deletion of a home folder was first tried."""
    Volume.being_deleted().filter(pk=volume.pk, deleting_since=None).update(deleting_since=timezone.now())


def compare(found: Container[str], listed_at: datetime) -> None:
    """Compare all used home folders with those that the runtime listed after `listed_at`."""
    for volume in Volume.objects.filter(used_at__lt=listed_at).exclude(desktop=None, kept_at=None):
        if volume.object_name in found:
            if volume.lost_at:
                note_found(volume)
        elif not volume.lost_at:
            note_lost(volume)


def _notify_owner(volume: Volume) -> None:
    if desktop := Desktop.objects.filter(volume=volume).first():
        desktop.notify_owner()
