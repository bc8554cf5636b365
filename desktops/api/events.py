"""Serve the timelines of desktops, as pages of JSON or as streams of server-sent events."""

import re
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseBase
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.endpoint import Endpoint
from core import client_address
from core.api.fields import Moment
from core.api.operations import Operation, page_example
from core.api.serializers import EmptySerializer, PageQuery
from core.concurrency import ConcurrencySlot
from core.request_token import token_from
from desktops import selectors
from desktops.api import event_feed, examples, sse
from desktops.api.output_serializers import POD_NAME
from desktops.exceptions import DesktopNotFound
from desktops.models import DesktopEvent
from desktops.wording import timeline

_NUMBER = re.compile("[0-9]{1,18}")  # within 64 bits
_AFTER = OpenApiParameter(
    "Last-Event-ID",
    {"type": "string", "pattern": "^[0-9]{0,18}$"},  # a client that has received no event may send an empty one
    OpenApiParameter.HEADER,
    description="For streams: ID of the last event that you received. The stream continues after it.",
)


class EventOut(serializers.Serializer[DesktopEvent]):
    """An event in the timeline of a desktop."""

    id = serializers.IntegerField(help_text="ID of the event.")
    pod_name = serializers.CharField(help_text=POD_NAME)
    at = serializers.DateTimeField(help_text="Time of the event.")
    run = serializers.IntegerField(help_text="Number of the start that the event belongs to. The first start is 1.")
    kind = serializers.CharField(help_text="Kind of the event, for programs.")
    sentence = serializers.CharField(help_text="Description of the event, in your language.")
    why = serializers.CharField(help_text="Reason for the event, in your language. Empty if there is none.")

    def to_representation(self, instance: DesktopEvent) -> dict[str, Any]:
        return event_feed.of_event(instance)


_ANSWERS = {
    (200, "application/json"): EventOut(many=True),
    (200, sse.EventStreamRenderer.media_type): OpenApiTypes.STR,
}


_KINDS = [kind for kind in timeline.SENTENCES if kind not in timeline.HIDDEN]


class EventQuery(PageQuery):
    kind = serializers.ChoiceField(_KINDS, required=False, help_text="Only events of this kind.")
    since = Moment(help_text="Only events at or after this time.")
    ordering = serializers.ChoiceField(
        ["-at", "at"], default="-at", help_text="-at returns the newest first, at the oldest."
    )


class _Streaming(Endpoint):
    tag = "Desktops"
    renderer_classes = [JSONRenderer, sse.EventStreamRenderer]

    def wants_stream(self) -> bool:
        return isinstance(self.request.accepted_renderer, sse.EventStreamRenderer)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.after = _after(request)  # not used for pages, but an invalid value is always refused

    def lines(self, rows: QuerySet[DesktopEvent]) -> Response:
        asked = self.query(EventQuery)
        named = {"kind": "kind", "since": "at__gte"}
        rows = rows.filter(**{lookup: asked[name] for name, lookup in named.items() if name in asked})
        back = "-" if asked["ordering"].startswith("-") else ""
        return self.paged(rows.order_by(asked["ordering"], f"{back}id"), asked, EventOut)

    def stream(self, pod_name: str = "") -> HttpResponseBase:
        self.query(EmptySerializer)
        if self.request.method == "HEAD":  # the answer has no body, and a stream would not end
            return HttpResponse(content_type=sse.CONTENT_TYPE)
        token, address = token_from(self.request.headers), client_address.address(self.request)
        listener = event_feed.Listener(self.claims, token, address)
        slot = ConcurrencySlot("streams", self.claims.user_id)
        slot.acquire()
        return sse.answer(event_feed.EventFeed(listener, pod_name=pod_name, after=self.after), slot)


class PodEvents(_Streaming):
    opens_to_bound = True
    operations = {
        "GET": Operation(
            "getPodEvents",
            "List or stream the events of a desktop",
            answered={200: page_example(examples.EVENT, pod_name=examples.POD_NAME)},
            refused=(409,),
        ),
    }

    @extend_schema(parameters=[EventQuery, _AFTER], responses=_ANSWERS)
    def get(self, request: Request, pod_name: str) -> HttpResponseBase:
        """Return the timeline of a desktop, by default newest first.

        With `Accept: text/event-stream`, the response is an open stream of server-sent events. Streams accept no query
        parameters.
        """
        if self.claims.pod_name not in ("", pod_name):
            raise DesktopNotFound
        desktop = selectors.named(user=self.actor.user, pod_name=pod_name)
        if self.wants_stream():
            return self.stream(pod_name)
        answer = self.lines(selectors.events_of(self.actor.user).filter(desktop=desktop))
        answer.data = {"pod_name": pod_name} | answer.data
        return answer


class Events(_Streaming):
    operations = {
        "GET": Operation(
            "getEvents", "List or stream the events of all your desktops", answered={200: page_example(examples.EVENT)}
        ),
    }

    @extend_schema(parameters=[EventQuery, _AFTER], responses=_ANSWERS)
    def get(self, request: Request) -> HttpResponseBase:
        """Return the events of all your desktops, by default newest first.

        With `Accept: text/event-stream`, the response is an open stream of server-sent events. Streams accept no query
        parameters.
        """
        if self.wants_stream():
            return self.stream()
        return self.lines(selectors.events_of(self.actor.user))


def _after(request: Request) -> int | None:
    given = request.headers.get("Last-Event-ID", "")
    if not given:
        return None
    if not _NUMBER.fullmatch(given):
        raise ValidationError({"Last-Event-ID": [_("Expected the ID of an event.")]})
    return int(given)
