"""Change quotas, with the same rules for the admin and the API."""

from collections.abc import Iterable

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from accounts import audit
from accounts.audit import Actor, audited
from accounts.models import Quota
from core.errors import Refusal

LIMITS = (
    "cpu",
    "memory_mib",
    "storage_gib",
    "gpu",
    "desktops",
    "max_lifetime_minutes",
    "idle_minutes",
    "backups",
    "backup_storage_gib",
)


class QuotaOfBoth(Refusal):
    slug, status_code = "quota_of_both", 422
    message = _("A quota is for a user or for a group, not for both.")
    next_step = _("Name one of them.")


class QuotaExists(Refusal):
    slug = "quota_exists"
    message = _("This quota already exists.")
    next_step = _("Change the existing quota.")


@audited("quota.add", target=lambda given: given["quota"])
@transaction.atomic
def add_quota(*, quota: Quota, fields: Iterable[str], by: Actor) -> None:
    """Add a quota. `fields` are the names of the fields that have a value. Raises QuotaOfBoth, QuotaExists."""
    _save(quota)
    audit.record("quota.add", by=by, target=quota, fields=list(fields))


@audited("quota.change", target=lambda given: given["quota"])
@transaction.atomic
def change_quota(*, quota: Quota, fields: Iterable[str], by: Actor) -> None:
    """Save an existing quota; `fields` are the names of the changed fields. Raises QuotaOfBoth, QuotaExists."""
    _save(quota)
    audit.record("quota.change", by=by, target=quota, fields=list(fields))


@transaction.atomic
def delete_quota(*, quota: Quota, by: Actor) -> None:
    audit.record("quota.delete", by=by, target=quota)
    quota.delete()


def _save(quota: Quota) -> None:
    if quota.user_id and quota.group_id:
        raise QuotaOfBoth(field="group")
    try:
        with transaction.atomic():
            quota.save()
    except IntegrityError:
        raise QuotaExists(field="group" if quota.group_id else "user")
