"""The sentence for each kind of event in a desktop's timeline."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from core import units
from desktops.models import DesktopEvent, Status
from desktops.wording import reasons
from desktops.wording.reasons import reason

SENTENCES: dict[str, Promise] = {
    "queued": _("Queued to start"),
    "starting": _("A worker accepted it"),
    "created": _("Created"),
    "scheduled": _("The cluster found a machine for it"),
    "mounted": _("Its home folder was attached"),
    "pulled": _("Its image is on the machine"),
    "waiting": _("Waiting"),
    "started": _("Its session started"),
    "ready": _("Its screen answers"),
    "running": _("Ready to use"),
    "restarted": _("Started again after a crash"),
    "parts_missing": _("A part of it was deleted in the cluster"),
    "mended": _("What was missing in the cluster was created again"),
    "restarting": _("Restart requested"),
    "stopping": _("Stopping"),
    "stopped": _("Stopped"),
    "failed": _("Failed"),
    "deleting": _("Deleting"),
    "resized": _("An administrator changed its size"),
}
# Short labels for the steps that the page shows during a start.
LABELS: dict[str, Promise] = {
    "queued": _("Queued"),
    "created": _("Created"),
    "scheduled": _("Machine found"),
    "mounted": _("Files attached"),
    "pulled": _("Image ready"),
    "started": _("Started"),
    "ready": _("Ready"),
}
HIDDEN = ("starting", "ready")  # "created" and "running" follow a moment later and mean the same


@dataclass(frozen=True)
class Line:
    at: datetime
    kind: str
    sentence: str
    why: str = ""


def lines(events: Iterable[DesktopEvent]) -> list[Line]:
    return [_line(event) for event in events if event.kind not in HIDDEN]


def sentence(kind: str) -> str:
    """Return the sentence for a kind of event. An unknown kind is returned unchanged, so that no line is lost."""
    return str(SENTENCES.get(kind, kind))


def label(step: str) -> str:
    return str(LABELS[step])


def _line(event: DesktopEvent) -> Line:
    return Line(event.at, event.kind, sentence(event.kind), why(event))


def why(event: DesktopEvent) -> str:
    """Return the reason of an event, or an empty string if its sentence needs none."""
    if event.kind == "resized":
        return _from_next_start(event.params)
    slug = event.params.get("reason", "")
    if not slug or event.kind not in (Status.STOPPING, Status.STOPPED, Status.FAILED, "waiting", "restarted"):
        return ""
    if event.kind == "waiting":
        return str(reason(slug).waiting)
    return reasons.sentence(slug, event.params.get("facts", {}))


def _from_next_start(size: dict[str, Any]) -> str:
    amounts = {"cpu": units.cores(Decimal(size["cpu"])), "memory": units.memory(size["memory_mib"])}
    return gettext("From the next start, it has %(cpu)s and %(memory)s of memory.") % amounts
