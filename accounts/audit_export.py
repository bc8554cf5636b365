"""Export the audit trail: one JSON form of an event for the API, the admin's export and `manage.py export_audit`."""

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC

from asgiref.sync import sync_to_async
from django.db.models import Q, QuerySet
from django.http import StreamingHttpResponse
from rest_framework import serializers

from accounts import audit
from accounts.audit import Actor
from accounts.models import AuditEvent

JSON_LINES = "application/x-ndjson"
_AT_ONCE = 500  # events held in memory


class AuditOut(serializers.ModelSerializer[AuditEvent]):
    """An event of the audit trail."""

    at = serializers.DateTimeField(default_timezone=UTC, help_text="Time of the event.")
    actor = serializers.CharField(source="actor_name", help_text="Username at the time of the event.")
    actor_id = serializers.UUIDField(
        allow_null=True, help_text="ID of the account. Null if it was deleted or no user was signed in."
    )
    details = serializers.DictField(help_text="Further facts, which depend on the action.")

    class Meta:
        model = AuditEvent
        fields = ("id", "at", "actor", "actor_id", "action", "target", "pod_name", "address", "result", "details")
        read_only_fields = fields
        extra_kwargs = {
            "id": {"help_text": "ID of the event."},
            "action": {"help_text": "What was done, such as desktop.launch."},
            "target": {"help_text": "The object concerned, such as the ID of a desktop or a username."},
            "pod_name": {"help_text": "Object name of the desktop. Empty if the event is not about a desktop."},
            "address": {"help_text": "IP address of the client. Null if unknown."},
            "result": {"help_text": '"done", or the slug of the refusal.'},
        }


def newest_first(events: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
    return events.order_by("-at", "-id")


def by_actor(actor: str) -> Q:
    """Match events by the account's name at the time, or by its id whatever its name was."""
    try:
        return Q(actor_id=serializers.UUIDField().to_internal_value(actor))
    except serializers.ValidationError:
        return Q(actor_name=actor)


def lines(events: QuerySet[AuditEvent]) -> Iterator[str]:
    """Yield JSON lines, newest first, some hundred events per text.

    Each batch is a query of its own that continues where the last one ended, so no cursor or connection is held while
    a slow client reads.
    """
    batch = list(newest_first(events)[:_AT_ONCE])
    while batch:
        yield "".join(_line(event) for event in batch)
        last = batch[-1]
        older = events.filter(at__lte=last.at).exclude(at=last.at, id__gte=last.pk)
        batch = list(newest_first(older)[:_AT_ONCE])


def download(events: QuerySet[AuditEvent], *, by: Actor, filters: dict[str, str]) -> StreamingHttpResponse:
    """Return a response that streams `events` as a file, and record the download and its `filters` in the trail."""
    audit.record(
        "audit.export", by=by, filters={audit.printable(name): audit.printable(filters[name]) for name in filters}
    )
    answer = StreamingHttpResponse(_stream(lines(events)), content_type=JSON_LINES)
    answer["Content-Disposition"] = 'attachment; filename="audit.jsonl"'
    return answer


async def _stream(texts: Iterator[str]) -> AsyncIterator[str]:
    """Asynchronous, since the server would load a synchronous iterator into memory at once."""
    more = sync_to_async(lambda: next(texts, ""))
    while text := await more():
        yield text


def _line(event: AuditEvent) -> str:
    return json.dumps(AuditOut(event).data, ensure_ascii=False) + "\n"
