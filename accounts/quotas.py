"""Find a user's effective quota: their own, the most generous of their groups', or the default."""

import sys
from dataclasses import dataclass
from decimal import Decimal
from typing import Generic, TypeVar

from django.db.models import Case, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from accounts.models import BackupPolicy, Quota, User

T = TypeVar("T", Decimal, int, str)
_ENDLESS_IS_ZERO = ("max_lifetime_minutes", "idle_minutes", "backup_storage_gib")  # 0: no limit, the most generous
_ENDLESS = sys.maxsize


@dataclass(frozen=True)
class Limit(Generic[T]):
    value: T
    source: str  # "user", "group <name>", "default", in the active language


@dataclass(frozen=True)
class EffectiveQuota:
    cpu: Limit[Decimal]  # cores
    memory_mib: Limit[int]
    storage_gib: Limit[int]
    gpu: Limit[int]
    desktops: Limit[int]
    max_lifetime_minutes: Limit[int]  # 0: never
    idle_minutes: Limit[int]  # 0: never
    backups: Limit[str]  # a BackupPolicy
    backup_storage_gib: Limit[int]  # 0: no limit

    def as_claims(self) -> dict[str, str]:
        """Return the claim `resource_quota`, with quantities in Kubernetes notation."""
        return {
            "cpu": _plain(self.cpu.value),
            "memory": memory_quantity(self.memory_mib.value),
            "storage": f"{self.storage_gib.value}Gi",
        }


def effective(user: User) -> EffectiveQuota:
    """Return the user's effective quota, in one query.

    Where even the default has no value, the limit is zero, and home folders are never backed up by schedule.
    """
    found = Quota.objects.filter(Q(user=user) | Q(group__user=user) | Q(user=None, group=None))
    rows = list(found.select_related("group").order_by("group__name"))  # ordered, so that ties are always broken alike
    return EffectiveQuota(
        cpu=_limit(rows, "cpu", Decimal(0)),
        memory_mib=_limit(rows, "memory_mib", 0),
        storage_gib=_limit(rows, "storage_gib", 0),
        gpu=_limit(rows, "gpu", 0),
        desktops=_limit(rows, "desktops", 0),
        max_lifetime_minutes=_limit(rows, "max_lifetime_minutes", 0),
        idle_minutes=_limit(rows, "idle_minutes", 0),
        backups=_limit(rows, "backups", str(BackupPolicy.NEVER)),
        backup_storage_gib=_limit(rows, "backup_storage_gib", 0),
    )


def backup_policy_of(owner: str) -> Coalesce:
    """Return the effective backup policy as a database expression, equal to `effective(…).backups`.

    `owner` is the name of the field with the user.
    """
    rank = Case(*(When(backups=policy, then=number) for number, policy in enumerate(BackupPolicy.values)))
    rows = Quota.objects.exclude(backups=None).order_by(rank.desc())
    user = Q(user=OuterRef(owner)), Q(group__user=OuterRef(owner)), Q(user=None, group=None)
    return Coalesce(*(Subquery(rows.filter(one).values("backups")[:1]) for one in user), Value(str(BackupPolicy.NEVER)))


def _limit(rows: list[Quota], name: str, nothing: T) -> Limit[T]:
    given = [quota for quota in rows if getattr(quota, name) is not None]
    if not given:
        return Limit(nothing, _("default"))
    best = max(given, key=lambda quota: (_specificity(quota), _comparable(name, getattr(quota, name))))
    return Limit(getattr(best, name), _source(best))


def _specificity(quota: Quota) -> int:
    return 2 if quota.user_id else 1 if quota.group_id else 0


def _comparable(name: str, value: Decimal | int | str) -> Decimal | int:
    if isinstance(value, str):
        return BackupPolicy.values.index(value)
    return _ENDLESS if name in _ENDLESS_IS_ZERO and value == 0 else value


def _source(quota: Quota) -> str:
    if quota.group:
        return _("group %(name)s") % {"name": quota.group.name}
    return _("user") if quota.user_id else _("default")


def _plain(number: Decimal) -> str:
    """Format without trailing zeros or exponent: 2.00 -> 2, 0.50 -> 0.5, never 1E+1."""
    return f"{number:f}".rstrip("0").rstrip(".") if "." in f"{number:f}" else f"{number:f}"


def memory_quantity(mib: int) -> str:
    """Return the amount in Kubernetes notation."""
    return f"{mib // 1024}Gi" if mib % 1024 == 0 else f"{mib}Mi"
