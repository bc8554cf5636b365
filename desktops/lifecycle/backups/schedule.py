"""Plan backups, removals of old backups and verifications, with a constant number of queries."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from accounts.models import BackupPolicy
from accounts.quotas import backup_policy_of
from core.redis import client, key
from desktops.models import AT_REST, BackupRepository, BackupTask, Volume

PERIODS = {BackupPolicy.DAILY: timedelta(days=1), BackupPolicy.HOURLY: timedelta(hours=1)}
VERIFY_EVERY = timedelta(days=7)
TIDY_EVERY = timedelta(days=1)
_PLAN_SECONDS = 60  # between two plans
_PAUSE = timedelta(hours=1)  # until a removal or verification that failed is tried again
_SPREAD = 3600  # seconds over which the backups of all home folders are spread
_MOST = 500  # rows that one round changes; the others follow in the next
_KIND, _TRIGGER = BackupTask.Kind, BackupTask.Trigger


def plan() -> None:
    """Queue what is due. Each minute also adopt new home folders and changed policies. Raises redis.RedisError."""
    queue_due()
    if client().set(key("backups", "planned"), "1", nx=True, ex=_PLAN_SECONDS):
        adopt_home_folders()
        apply_policies()
        queue_removals()
        queue_verifications()


def adopt_home_folders() -> None:
    """Create the repositories of home folders that are to be backed up for the first time."""
    present = Q(lost_at=None, used_at__isnull=False, owner__is_active=True) & ~Q(desktop=None, kept_at=None)
    new = Volume.objects.filter(present, backup_repository=None).annotate(policy=backup_policy_of("owner"))
    rows = []
    for volume in new.exclude(policy=BackupPolicy.NEVER).select_related("desktop")[:_MOST]:
        desktop = getattr(volume, "desktop", None)
        name = desktop.name if desktop else volume.desktop_name
        known = {"owner_id": volume.owner_id, "desktop_name": name, "storage_gib": volume.storage_gib}
        rows.append(BackupRepository(volume=volume, **known))
    BackupRepository.objects.bulk_create(rows, ignore_conflicts=True)


def apply_policies() -> None:
    """Give each repository a time for its next backup, if its owner's policy wants one and its home folder exists."""
    known = _with_policy()
    wanted = Q(volume__isnull=False, volume__lost_at=None, deleted_at=None, owner__is_active=True)
    wanted &= ~Q(policy=BackupPolicy.NEVER)
    planned = known.filter(due_at__isnull=False)
    BackupRepository.objects.filter(pk__in=planned.exclude(wanted).values("pk")).update(due_at=None)
    now = timezone.now()
    too_late = Q(policy=BackupPolicy.HOURLY, due_at__gt=now + timedelta(seconds=_SPREAD) + PERIODS[BackupPolicy.HOURLY])
    rows = list(known.filter(wanted).filter(Q(due_at=None) | too_late)[:_MOST])
    for row in rows:
        row.due_at = _first_due(row.pk, now)
    BackupRepository.objects.bulk_update(rows, ["due_at"])


def queue_due() -> None:
    """Queue the backups that are due, and set the time of the next ones.

    A home folder that nothing can have changed since its last backup is left out.
    """
    now = timezone.now()
    due = BackupRepository.objects.filter(due_at__lte=now).order_by("due_at")[:_MOST]
    if not (ids := list(due.values_list("pk", flat=True))):
        return
    known: QuerySet[Any] = _with_policy().filter(pk__in=ids)
    rows = list(known.annotate(waits=_open(_KIND.BACKUP), unchanged=_unchanged()))
    changed = [row for row in rows if row.volume_id and not row.waits and not row.unchanged]
    BackupTask.objects.bulk_create(
        BackupTask(repository=row, kind=_KIND.BACKUP, trigger=_TRIGGER.SCHEDULE, volume_id=row.volume_id)
        for row in changed
    )
    for row in rows:
        row.due_at = _next_due(row.due_at, PERIODS.get(BackupPolicy(row.policy)), now)
        row.saved_until = now if row.unchanged else row.saved_until
    BackupRepository.objects.bulk_update(rows, ["due_at", "saved_until"])


def queue_removals() -> None:
    """Queue the removal of old backups, once a day after new ones, and of deleted backups that are still there."""
    now = timezone.now()
    old = Q(tidied_at=None) | Q(tidied_at__lt=now - TIDY_EVERY, succeeded_at__gt=F("tidied_at"))
    deleted = Q(deleted_at__isnull=False) | Q(backups__deleted_at__isnull=False)
    _queue(_KIND.FORGET, BackupRepository.objects.filter(Q(succeeded_at__isnull=False) & old | deleted).distinct())


def queue_verifications() -> None:
    """Queue the verification of each repository once a week; of a damaged one once a day, and in full."""
    now = timezone.now()
    week_old = Q(checked_at=None) | Q(checked_at__lt=now - VERIFY_EVERY)
    damaged = Q(damaged_since__isnull=False, checked_at__lt=now - TIDY_EVERY)
    with_backups = BackupRepository.objects.filter(backups__isnull=False, deleted_at=None).distinct()
    _queue(_KIND.VERIFY, with_backups.filter(week_old | damaged))


def _queue(kind: BackupTask.Kind, repositories: QuerySet[BackupRepository]) -> None:
    recent = Q(repository=OuterRef("pk"), kind=kind) & (
        Q(status__in=BackupTask.OPEN) | Q(created_at__gt=timezone.now() - _PAUSE)
    )
    rows = repositories.exclude(Exists(BackupTask.objects.filter(recent)))[:_MOST]
    BackupTask.objects.bulk_create(BackupTask(repository=row, kind=kind, trigger=_TRIGGER.SCHEDULE) for row in rows)


def _with_policy() -> QuerySet[BackupRepository]:
    return BackupRepository.objects.annotate(policy=backup_policy_of("owner"))


def _open(kind: BackupTask.Kind) -> Exists:
    return Exists(BackupTask.objects.filter(repository=OuterRef("pk"), kind=kind, status__in=BackupTask.OPEN))


def unchanged_home_folders() -> Q:
    """Return the condition of repositories whose home folders nothing can have changed since their last backup."""
    stopped = Q(volume__desktop__status__in=AT_REST, volume__desktop__status_since__lt=F("succeeded_at"))
    return stopped | Q(volume__desktop=None, volume__kept_at__lt=F("succeeded_at"))


def _unchanged() -> Exists:
    return Exists(BackupRepository.objects.filter(unchanged_home_folders(), pk=OuterRef("pk")))


def _first_due(repository_id: UUID, now: datetime) -> datetime:
    """Return a time within the next hour, which depends on the id, so that a thousand do not start together."""
    return now + timedelta(seconds=repository_id.int % _SPREAD)


def _next_due(due_at: datetime | None, period: timedelta | None, now: datetime) -> datetime | None:
    """Return the next time after now in the same rhythm. Without a period, there is none."""
    if not due_at or not period:
        return None
    return due_at + period * ((now - due_at) // period + 1)
