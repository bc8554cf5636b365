"""The timeline's sentences: each kind of event in the reader's language."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from desktops import diagnosis
from desktops.models import DesktopEvent, Status

SENTENCES: dict[str, Promise] = {
    "queued": _("Queued to start"),
    "starting": _("A worker took it up"),
    "created": _("Created"),
    "started": _("Its session started"),
    "ready": _("Its screen answers"),
    "running": _("Ready to use"),
    "restarting": _("Restart asked for"),
    "stopping": _("Stopping"),
    "stopped": _("Stopped"),
    "failed": _("Failed"),
    "deleting": _("Deleting"),
}
_HIDDEN = ("starting", "ready")  # "created" and "running" tell the same a moment later


@dataclass(frozen=True)
class Line:
    at: datetime
    kind: str
    sentence: str
    why: str = ""


def lines(events: Iterable[DesktopEvent]) -> list[Line]:
    return [_line(event) for event in events if event.kind not in _HIDDEN]


def sentence(kind: str) -> str:
    """A kind without a sentence stands for itself: better than a hole in the story."""
    return str(SENTENCES.get(kind, kind))


def _line(event: DesktopEvent) -> Line:
    reason = event.params.get("reason", "")
    explained = reason and event.kind in (Status.STOPPING, Status.STOPPED, Status.FAILED)
    why = str(diagnosis.reason(reason).sentence) if explained else ""
    return Line(event.at, event.kind, sentence(event.kind), why)
