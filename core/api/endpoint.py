"""Provide the base class of all API views: rate limits, validated input and idempotency, without accounts."""

from typing import Any, ClassVar, TypeVar

import structlog
from django.db import DatabaseError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, QueryDict
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from core.api import idempotency
from core.api.methods import read_as
from core.api.operations import Operation
from core.api.pagination import Pagination

log = structlog.get_logger("podesk.api")
Row = TypeVar("Row", bound=Model)


class BaseEndpoint(APIView):
    tag: ClassVar[str] = ""  # one of TAGS in portal/api/schema.py
    operations: ClassVar[dict[str, Operation]] = {}  # by HTTP method
    rates: ClassVar[dict[str, str]] = {}  # names of settings.API_RATES, other than "read" and "write"

    def rate_of(self, method: str) -> str:
        return self.rates.get(read_as(method), "read" if method in SAFE_METHODS else "write")

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        if "CONTENT_LENGTH" not in request.META:  # sent in chunks; DRF would treat the body as empty
            request.META["CONTENT_LENGTH"] = str(len(request.body))
        return super().initialize_request(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Apply the rate limits first, unlike DRF, so that they include requests with invalid tokens."""
        self.format_kwarg = None
        try:
            self.perform_authentication(request)
        finally:
            self.check_throttles(request)
        renderer, media_type = self.perform_content_negotiation(request)
        request.accepted_renderer, request.accepted_media_type = renderer, media_type
        self.check_permissions(request)

    def options(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        """Return the allowed methods in Allow, without DRF's description of the view."""
        return Response(status=204)

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, idempotency.Repeated):
            return exc.answer
        return super().handle_exception(exc)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        finished = super().finalize_response(request, response, *args, **kwargs)
        try:
            idempotency.finish(request, finished)
        except DatabaseError as error:  # the client still gets the answer; the key stays in progress until GIVEN_UP
            log.warning("answer_not_kept", error=str(error))
        return finished

    @property
    def default_response_headers(self) -> dict[str, str]:
        # Responses may contain passwords or tokens.
        return super().default_response_headers | {"Cache-Control": "no-store"}

    def body(self, form: type[Serializer[Any]]) -> dict[str, Any]:
        """Return the validated body. Raises ValidationError, which names the invalid fields."""
        data = self.request.data
        # DRF returns a QueryDict for an empty body; a serializer would treat it as an HTML form with unchecked boxes.
        data = {} if isinstance(data, QueryDict) else data
        return _checked(form(data=data, context={"request": self.request}))

    def query(self, form: type[Serializer[Any]]) -> dict[str, Any]:
        """Return the validated query parameters. Raises ValidationError, which names the invalid parameters."""
        given = self.request.query_params
        if twice := [name for name, values in given.lists() if len(values) > 1]:
            raise ValidationError({name[:100]: [_("This parameter may appear only once.")] for name in twice[:20]})
        return _checked(form(data=given.dict(), context={"request": self.request}))

    def paged(self, rows: QuerySet[Row], asked: dict[str, Any], shown_by: type[Serializer[Any]]) -> Response:
        """Return one page of `rows`. `asked`: the data of a valid PageQuery. `shown_by`: the serializer of a row."""
        pages = Pagination(limit=asked["limit"], offset=asked["offset"])
        found = pages.paginate_queryset(rows, self.request, self)
        return pages.get_paginated_response(shown_by(found, many=True, context={"request": self.request}).data)


class OpenEndpoint(BaseEndpoint):
    """The base class of views that need no token."""

    authentication_classes = []
    permission_classes = []


def _checked(form: Serializer[Any]) -> dict[str, Any]:
    form.is_valid(raise_exception=True)
    return dict(form.validated_data)
