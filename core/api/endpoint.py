"""The base of every view of the API: how often, what was sent, and once only. It knows no accounts."""

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
        if "CONTENT_LENGTH" not in request.META:  # sent in chunks; DRF takes it for nothing at all
            request.META["CONTENT_LENGTH"] = str(len(request.body))
        return super().initialize_request(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """DRF's, but what is refused counts too: whoever tries tokens out is slowed down like everybody."""
        self.format_kwarg = None
        try:
            self.perform_authentication(request)
        finally:
            self.check_throttles(request)
        renderer, media_type = self.perform_content_negotiation(request)
        request.accepted_renderer, request.accepted_media_type = renderer, media_type
        self.check_permissions(request)

    def options(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        """Says by Allow what the address knows; DRF would tell its docstring besides."""
        return Response(status=204)

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, idempotency.Repeated):
            return exc.answer
        return super().handle_exception(exc)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        finished = super().finalize_response(request, response, *args, **kwargs)
        try:
            idempotency.finish(request, finished)
        except DatabaseError as error:  # it is answered even so; its key counts as under way until it is given up
            log.warning("answer_not_kept", error=str(error))
        return finished

    @property
    def default_response_headers(self) -> dict[str, str]:
        return super().default_response_headers | {"Cache-Control": "no-store"}  # passwords and tokens among them

    def body(self, form: type[Serializer[Any]]) -> dict[str, Any]:
        """What was sent, checked. Raises ValidationError naming the fields."""
        data = self.request.data
        # DRF's word for an empty body; a form would read it as a page of boxes that nobody ticked.
        data = {} if isinstance(data, QueryDict) else data
        return _checked(form(data=data, context={"request": self.request}))

    def query(self, form: type[Serializer[Any]]) -> dict[str, Any]:
        """What stands behind the `?`, checked like a body."""
        given = self.request.query_params
        if twice := [name for name, values in given.lists() if len(values) > 1]:
            raise ValidationError({name[:100]: [_("Give this once only.")] for name in twice[:20]})
        return _checked(form(data=given.dict(), context={"request": self.request}))

    def paged(self, rows: QuerySet[Row], asked: dict[str, Any], shown_by: type[Serializer[Any]]) -> Response:
        """One page of `rows`; `asked` comes from a query form that derives from core.api.serializers.PageQuery."""
        pages = Pagination(limit=asked["limit"], offset=asked["offset"])
        found = pages.paginate_queryset(rows, self.request, self)
        return pages.get_paginated_response(shown_by(found, many=True, context={"request": self.request}).data)


class OpenEndpoint(BaseEndpoint):
    """For those who have no token yet."""

    authentication_classes = []
    permission_classes = []


def _checked(form: Serializer[Any]) -> dict[str, Any]:
    form.is_valid(raise_exception=True)
    return dict(form.validated_data)
