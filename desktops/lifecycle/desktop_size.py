"""Change how much CPU and memory a desktop reserves. The runtime applies it at the next start."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import F

from accounts import audit
from accounts.audit import Actor, audited
from accounts.models import User
from desktops.exceptions import BeingDeleted, DesktopNotFound, LargerWhileActive
from desktops.models import AT_REST, Desktop, DesktopEvent, Status


@dataclass(frozen=True)
class ComputeSize:
    """The CPU cores and MiB of memory that a desktop reserves."""

    cpu: Decimal
    memory_mib: int

    @classmethod
    def of_next_start(cls, desktop: Desktop) -> "ComputeSize":
        return cls(desktop.next_cpu or desktop.cpu, desktop.next_memory_mib or desktop.memory_mib)

    def exceeds(self, desktop: Desktop) -> bool:
        return self.cpu > desktop.cpu or self.memory_mib > desktop.memory_mib

    def as_facts(self) -> dict[str, Any]:
        return {"cpu": f"{self.cpu.normalize():f}", "memory_mib": self.memory_mib}


def _names(given: dict[str, Any]) -> dict[str, str]:
    return {"pod_name": given["desktop"].object_name, "name": given["desktop"].name}


@audited("desktop.resize", target=lambda given: given["desktop"].pk, more=_names)
@transaction.atomic
def resize_desktop(*, desktop: Desktop, size: ComputeSize, by: Actor) -> None:
    """Change what a desktop reserves from its next start; at once in its row if it is at rest. Keeps its storage.

    An active desktop can only become smaller, since the quota is not checked at a restart.
    Raises DesktopNotFound, BeingDeleted, LargerWhileActive.
    """
    User.objects.select_for_update().get(pk=desktop.owner_id)  # a start takes the same lock
    row = Desktop.objects.select_for_update().select_related("image").filter(pk=desktop.pk).first()
    if not row:
        raise DesktopNotFound
    if row.status == Status.DELETING:
        raise BeingDeleted
    if row.status not in AT_REST and size.exceeds(row):
        raise LargerWhileActive
    before = ComputeSize.of_next_start(row)
    row.next_cpu, row.next_memory_mib = size.cpu, size.memory_mib
    row.save(update_fields=["next_cpu", "next_memory_mib"])
    if row.status in AT_REST:
        take_next(row)
    DesktopEvent.write(row, "resized", **size.as_facts())
    row.notify_owner()
    given, facts = {"desktop": row}, size.as_facts() | {"before": before.as_facts()}
    audit.record("desktop.resize", by=by, target=row.pk, **_names(given), **facts)


def take_next(desktop: Desktop) -> None:
    """Give a desktop the size for its next start, if it was changed. Call it in the transaction of that start."""
    rows = Desktop.objects.filter(pk=desktop.pk, next_cpu__isnull=False)
    size = {"cpu": F("next_cpu"), "memory_mib": F("next_memory_mib")}
    if rows.update(**size, next_cpu=None, next_memory_mib=None):
        desktop.refresh_from_db(fields=["cpu", "memory_mib", "next_cpu", "next_memory_mib"])
        names = desktop.image.sizes.filter(cpu=desktop.cpu, memory_mib=desktop.memory_mib).values_list(
            "name", flat=True
        )
        desktop.size_name = names.first() or ""  # a size without a name is custom
        desktop.save(update_fields=["size_name"])
