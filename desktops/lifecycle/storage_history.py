"""Keep the history of storage: a row for each time in which a home folder has the same size, owner and state."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from desktops.models import Desktop, StoragePeriod, Volume

log = structlog.get_logger("podesk.storage_history")
_AT_ONCE = 1000  # rows deleted by one query


@transaction.atomic
def record(volume_id: UUID) -> None:
    """Record what a home folder asks for now. Call it in the transaction of each change. Does nothing without a change.

    A lost folder asks for nothing. One that is being deleted asks for storage until nothing of it is left.
    """
    rows = Volume.objects.select_for_update(of=("self",)).select_related("owner", "desktop__image")
    volume = rows.filter(pk=volume_id).first()
    periods = StoragePeriod.objects.filter(volume_id=volume_id)
    last, now = periods.order_by("begun_at", "pk").last(), timezone.now()
    fields = _fields(volume, last) if volume and not volume.lost_at else None
    if last and not last.ended_at:
        if fields and all(getattr(last, name) == value for name, value in fields.items()):
            return
        periods.filter(ended_at=None).update(ended_at=now)
    if volume and fields:
        begun_at = now if last else min(now, volume.created_at)
        StoragePeriod.objects.create(volume_id=volume_id, begun_at=begun_at, **fields)


def _fields(volume: Volume, last: StoragePeriod | None) -> dict[str, Any]:
    desktop: Desktop | None = getattr(volume, "desktop", None)
    return {
        "owner_id": volume.owner_id,
        "owner_name": volume.owner.get_username(),
        "desktop_name": desktop.name if desktop else volume.desktop_name,
        "image_name": desktop.image.name if desktop else last.image_name if last else "",
        "storage_gib": volume.storage_gib,
        "state": StoragePeriod.State.IN_USE if desktop else StoragePeriod.State.KEPT,
    }


def prune() -> None:
    """Delete the rows of periods that ended more than RUN_HISTORY_DAYS ago; with 0 days, none."""
    _correct()
    if not settings.RUN_HISTORY_DAYS:
        return
    old = StoragePeriod.objects.filter(ended_at__lt=timezone.now() - timedelta(days=settings.RUN_HISTORY_DAYS))
    while keys := list(old.values_list("pk", flat=True)[:_AT_ONCE]):
        StoragePeriod.objects.filter(pk__in=keys).delete()


def _correct() -> None:
    """Begin and end the periods that a change of the database from outside has left, such as its restoration."""
    present = StoragePeriod.objects.filter(volume_id=OuterRef("pk"), ended_at=None)
    begun = Volume.objects.filter(~Exists(present), lost_at=None).values_list("pk", flat=True)
    there = Volume.objects.filter(pk=OuterRef("volume_id"), lost_at=None)
    ended = StoragePeriod.objects.filter(~Exists(there), ended_at=None).values_list("volume_id", flat=True)
    found = [*begun, *ended]
    for volume_id in found:
        record(volume_id)
    if found:
        log.warning("storage_history_corrected", count=len(found))
