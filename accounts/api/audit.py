"""Serve the audit trail at `admin/audit`, as pages of JSON or as one stream of JSON lines."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from accounts import audit_export
from accounts.api import examples
from accounts.api.endpoint import Endpoint
from accounts.audit_export import AuditOut
from accounts.models import AuditEvent
from core.api.fields import Filter, Moment
from core.api.operations import Operation, page_example
from core.api.serializers import PageQuery, StrictSerializer

_EXACT = ("action", "target", "pod_name", "result")


class Filters(StrictSerializer):
    actor = Filter(max_length=150, help_text="Username at the time of the event, or ID of the account.")
    action = Filter(max_length=50, help_text="Action, such as desktop.launch.")
    target = Filter(max_length=200, help_text="Object concerned, such as the ID of a desktop or a username.")
    pod_name = Filter(max_length=63, help_text="Object name of a desktop, which may be deleted.")
    result = Filter(max_length=50, help_text='Result: "done", or the slug of a refusal.')
    since = Moment(help_text="Only events at or after this time.")
    until = Moment(help_text="Only events before this time.")


class AuditQuery(PageQuery, Filters):
    """The filters and the requested page."""


class JSONLines(JSONRenderer):
    """The renderer for `Accept: application/x-ndjson`. It renders problems as JSON."""

    media_type, format = audit_export.JSON_LINES, "jsonl"


class Audit(Endpoint):
    administers = {"GET": "accounts.view_auditevent"}
    renderer_classes = [JSONRenderer, JSONLines]
    tag = "Administration"
    operations = {
        "GET": Operation("listAuditEvents", "List audit events", answered={200: page_example(examples.AUDIT_EVENT)}),
    }

    @extend_schema(
        parameters=[AuditQuery],
        responses={
            (200, "application/json"): AuditOut(many=True),
            (200, audit_export.JSON_LINES): OpenApiTypes.STR,
        },
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Return the events that match the filters, newest first.

        With `Accept: application/x-ndjson`, the response contains all matching events, one JSON object per line. It
        has no pages, so do not send `limit` or `offset`.
        """
        if isinstance(request.accepted_renderer, JSONLines):
            asked = self.query(Filters)
            return audit_export.download(_found(asked), by=self.actor, filters=request.query_params.dict())
        asked = self.query(AuditQuery)
        return self.paged(_found(asked), asked, AuditOut)


def _found(asked: dict[str, Any]) -> QuerySet[AuditEvent]:
    events = audit_export.newest_first(AuditEvent.objects.all())
    events = events.filter(**{name: asked[name] for name in _EXACT if name in asked})
    if "actor" in asked:
        events = events.filter(audit_export.by_actor(asked["actor"]))
    if "since" in asked:
        events = events.filter(at__gte=asked["since"])
    if "until" in asked:
        events = events.filter(at__lt=asked["until"])
    return events
