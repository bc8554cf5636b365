"""Let kept files end: give each a date that its owner sees, and delete the files after it.

`KEPT_FILES_DAYS` turns this on. No date is sooner than `KEPT_FILES_NOTICE_DAYS` after it was set, so files that are
old when the setting is turned on have the full notice, too. Lost files, and those of disabled accounts, have no date.
"""

from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from accounts import audit
from accounts.audit import Actor, audited
from accounts.models import BackupPolicy, User
from accounts.quotas import effective
from core.redis import client, key
from desktops.exceptions import AlreadyPostponed, NoExpiry
from desktops.lifecycle import jobs
from desktops.lifecycle.backups import before_delete, requests
from desktops.lifecycle.queue import enqueue_after_commit
from desktops.models import BackupTask, Volume

log = structlog.get_logger("podesk.volumes")
_SECONDS = 60  # between two rounds
_MOST = 500  # rows that one round changes; the others follow in the next


@audited("volume.postpone", target=lambda given: given["volume"].pk)
@transaction.atomic
def postpone(*, volume: Volume, by: Actor) -> Volume:
    """Move the end of kept files by KEPT_FILES_DAYS, once only. Raises NoExpiry, AlreadyPostponed."""
    current = Volume.with_end().filter(pk=volume.pk, expires_at__isnull=False).first()
    if not current or not current.expires_at:
        raise NoExpiry
    now = timezone.now()
    until = max(current.expires_at, now) + timedelta(days=settings.KEPT_FILES_DAYS)
    same = Volume.objects.filter(pk=current.pk, expires_at=current.expires_at, postponed_at=None)
    if not same.update(expires_at=until, postponed_at=now):
        raise AlreadyPostponed
    audit.record("volume.postpone", by=by, target=current.pk, **_facts(current, until))
    return Volume.objects.get(pk=current.pk)


def run_timer() -> None:
    """Do one round if it is due. Its failures must not keep the controller from its desktops."""
    if not client().set(key("kept-files", "compared"), "1", nx=True, ex=_SECONDS):
        return
    try:
        compare()
    except (OperationalError, InterfaceError):  # an outage, which has nothing to do with kept files
        raise
    except Exception:  # error boundary
        log.exception("kept_files_not_compared")


def compare() -> None:
    """Clear, set and change dates, then delete the files whose end has come."""
    dated = Q(expires_at__isnull=False) | Q(postponed_at__isnull=False)
    Volume.objects.filter(dated).exclude(pk__in=Volume.with_end()).update(expires_at=None, postponed_at=None)
    if settings.KEPT_FILES_DAYS:
        _set_dates()
        for volume in Volume.expired().order_by("expires_at", "pk")[:_MOST]:
            _end(volume)


def _set_dates() -> None:
    """Set missing dates, and change those that are too early or too late since the setting was changed.

    A date within the notice does not become earlier, and one that was postponed does not change.
    """
    days, soonest = timedelta(days=settings.KEPT_FILES_DAYS), _soonest()
    regular = F("kept_at") + days
    too_late = Q(expires_at__gt=regular) & Q(expires_at__gt=soonest)
    wrong = Q(expires_at=None) | Q(expires_at__lt=regular) | too_late
    for volume in Volume.with_end().filter(wrong, postponed_at=None)[:_MOST]:
        if volume.kept_at:
            _set_date(volume, max(volume.kept_at + days, soonest))


def _soonest() -> datetime:
    return timezone.now() + timedelta(days=settings.KEPT_FILES_NOTICE_DAYS)


@transaction.atomic
def _set_date(volume: Volume, until: datetime) -> None:
    known = {"kept_at": volume.kept_at, "expires_at": volume.expires_at, "postponed_at": None}
    if Volume.objects.filter(pk=volume.pk, **known).update(expires_at=until):
        audit.record("volume.expiry_set", by=None, target=volume.pk, **_facts(volume, until))


@transaction.atomic
def _end(volume: Volume) -> None:
    """Delete the files, after a backup if their owner's have any, unless a task still reads or writes them."""
    owner = User.objects.select_for_update().get(pk=volume.owner_id)  # requests of restores take this lock, too
    if not owner.is_active or BackupTask.objects.filter(volume=volume, status__in=BackupTask.OPEN).exists():
        return
    if requests.available() and effective(owner).backups.value != BackupPolicy.NEVER:
        before_delete.back_up_expired(volume)
    elif _still_expired(volume).update(**Volume.NOT_KEPT):
        enqueue_after_commit(jobs.delete_volume, volume.pk)
        audit.record("volume.delete", by=None, target=volume.pk, expired=True, name=volume.desktop_name)


def _still_expired(volume: Volume) -> QuerySet[Volume]:
    """Return the row if it has not been postponed or used meanwhile. Without joins, so that updates check the row."""
    return Volume.objects.filter(pk=volume.pk, kept_at__isnull=False, expires_at__lte=timezone.now())


def _facts(volume: Volume, until: datetime) -> dict[str, Any]:
    return {"name": volume.desktop_name, "expires_at": until.isoformat(timespec="seconds")}
