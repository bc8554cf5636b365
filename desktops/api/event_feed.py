"""Produce a stream of events: the status of each desktop, then each new event of the timelines."""

import time
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from accounts import tokens
from accounts.api.messages import TOKEN_SENTENCES
from accounts.tokens import Claims
from desktops import selectors
from desktops.api.sse import Message
from desktops.models import Desktop, DesktopEvent
from desktops.notify import owner_group
from desktops.wording import diagnosis, timeline

CHUNK = 200  # events per query
_COMMIT_DELAY = 10.0  # seconds after reading an event during which one with a smaller ID may still appear


@dataclass(frozen=True)
class Listener:
    claims: Claims
    token: str = field(repr=False)  # the signed text, which is verified repeatedly and never logged
    address: str


class EventFeed:
    """Produces the events for one listener.

    `pod_name`: one desktop; empty for all desktops of the user. `after`: the ID of the last event that the listener
    has; None to begin with new events.
    """

    def __init__(self, listener: Listener, *, pod_name: str = "", after: int | None = None) -> None:
        self._listener, self._user_id = listener, listener.claims.user_id
        self._language = translation.get_language()
        self._pod_name, self._floor = pod_name, after
        self._known: set[str] = set()
        self._last = 0
        self._sent: dict[int, float] = {}  # events above the floor: ID, and when they were read

    @property
    def group(self) -> str:
        return owner_group(self._user_id)

    def restarting(self) -> Message:
        with translation.override(self._language):
            return _closed("restarting", _("The portal is restarting. Reopen the stream to continue where it ended."))

    def poll(self, query: bool) -> tuple[list[Message], bool]:
        with translation.override(self._language):
            if closed := self._closed():
                return [closed], False
            return self._news() if query else ([], False)

    def _closed(self) -> Message | None:
        try:
            tokens.verify(self._listener.token, used_from=self._listener.address)
        except tokens.TokenRefused as refused:
            return _closed(refused.reason, TOKEN_SENTENCES[refused.reason])
        return None

    def _news(self) -> tuple[list[Message], bool]:
        fresh = self._floor is None
        if (
            self._floor is None
        ):  # read before the desktops, so that a change in between is sent twice rather than missed
            newest = self._events().order_by("-pk").values_list("pk", flat=True).first()
            self._floor = newest or 0
        desktops = {row.object_name: row for row in self._desktops()}
        if self._pod_name and self._pod_name not in desktops:
            return [_deleted(self._pod_name, last=True)], False
        messages = [_deleted(name) for name in sorted(self._known - desktops.keys())]
        number = str(self._floor) if fresh else ""  # a listener that reconnects already has an ID
        messages += [_status(row, number) for name, row in desktops.items() if name not in self._known]
        self._known = set(desktops)
        lines = self._lines(self._floor)
        for event in lines:
            self._last = max(self._last, event.pk)
            if event.desktop.object_name not in self._known:  # created after the desktops were read
                self._known.add(event.desktop.object_name)
                messages.append(_status(event.desktop, ""))
            if event.kind not in timeline.HIDDEN:
                # An event that appears late is sent with the highest ID so far. A listener that reconnects with this
                # ID has received both.
                messages.append(Message(event.kind, of_event(event), id=str(self._last)))
        return messages, len(lines) == CHUNK

    def _lines(self, floor: int) -> list[DesktopEvent]:
        """Return the events with larger IDs than `floor` that were not sent yet.

        PostgreSQL assigns IDs when rows are written but shows the rows when they are committed, possibly in another
        order. So smaller IDs are queried again for a while.
        """
        rows = self._events().filter(pk__gt=floor).exclude(pk__in=self._sent)
        lines = list(rows.select_related("desktop__volume").order_by("pk")[:CHUNK])
        now = time.monotonic()
        if len(lines) == CHUNK:  # a backlog, so these events are old
            self._floor, self._sent = lines[-1].pk, {}
            return lines
        self._sent |= dict.fromkeys((line.pk for line in lines), now)
        self._floor = max((number for number, at in self._sent.items() if now - at > _COMMIT_DELAY), default=floor)
        self._sent = {number: at for number, at in self._sent.items() if number > self._floor}
        return lines

    def _desktops(self) -> QuerySet[Desktop]:
        rows = Desktop.objects.filter(owner__pk=self._user_id).select_related("volume").order_by("created_at", "pk")
        return rows.filter(object_name=self._pod_name) if self._pod_name else rows

    def _events(self) -> QuerySet[DesktopEvent]:
        rows = DesktopEvent.objects.filter(desktop__owner__pk=self._user_id)
        return rows.filter(desktop__object_name=self._pod_name) if self._pod_name else rows


def of_event(event: DesktopEvent) -> dict[str, Any]:
    return {
        "id": event.pk,
        "pod_name": event.desktop.object_name,
        "at": event.at,
        "run": event.run,
        "kind": event.kind,
        "sentence": timeline.sentence(event.kind),
        "why": timeline.why(event),
    }


def _status(desktop: Desktop, number: str) -> Message:
    found = selectors.diagnosis_of(desktop)
    data = {
        "pod_name": desktop.object_name,
        "status": desktop.status,
        "status_since": desktop.status_since,
        "reason": diagnosis.reason_of(desktop.status, desktop.reason, files_lost=desktop.volume.lost_at is not None),
        "sentence": found.sentence,
        "next_step": found.next_step,
    }
    return Message("status", data, id=number)


def _closed(reason: str, sentence: Any) -> Message:
    return Message("closed", {"reason": reason, "sentence": str(sentence)}, last=True)


def _deleted(pod_name: str, *, last: bool = False) -> Message:
    return Message("deleted", {"pod_name": pod_name}, last=last)
