"""The base of every view of the API: who may, how often, what was sent, and once only."""

from typing import Any, ClassVar, TypeVar

from django.db.models import Model, QuerySet
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from accounts import client
from accounts.api import idempotency
from accounts.api.pages import Pages
from accounts.audit import Actor
from accounts.tokens import Claims

Row = TypeVar("Row", bound=Model)


class Endpoint(APIView):
    """Subclasses say by HTTP method what deviates from the rule: any valid token that is bound to no desktop may."""

    needs: ClassVar[dict[str, tuple[str, ...]]] = {}  # permissions that the token must have
    administers: ClassVar[dict[str, str]] = {}  # Django permission that the user must have, as a member of the staff
    rates: ClassVar[dict[str, str]] = {}  # names of settings.API_RATES, other than "read" and "write"
    opens_to_bound = False  # may a token for one desktop ask here (safe methods only)?

    def rate_of(self, method: str) -> str:
        return self.rates.get(method, "read" if method in SAFE_METHODS else "write")

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """DRF's, but what is refused counts too: whoever tries tokens out is slowed down like everybody."""
        self.format_kwarg = None
        renderer, media_type = self.perform_content_negotiation(request)
        request.accepted_renderer, request.accepted_media_type = renderer, media_type
        try:
            self.perform_authentication(request)
        finally:
            self.check_throttles(request)
        self.check_permissions(request)
        idempotency.begin(request)

    def handle_exception(self, exc: Exception) -> Response:
        return exc.answer if isinstance(exc, idempotency.Repeated) else super().handle_exception(exc)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        finished = super().finalize_response(request, response, *args, **kwargs)
        idempotency.finish(request, finished)
        return finished

    @property
    def claims(self) -> Claims:
        claims = self.request.auth
        assert isinstance(claims, Claims)  # noqa: S101 - TokenMay stands before
        return claims

    @property
    def actor(self) -> Actor:
        return client.actor(self.request)

    def body(self, form: type[Serializer[Any]]) -> dict[str, Any]:
        """What was sent, checked. Raises ValidationError naming the fields."""
        return _checked(form(data=self.request.data, context={"request": self.request}))

    def query(self, form: type[Serializer[Any]]) -> dict[str, Any]:
        """What stands behind the `?`, checked like a body."""
        return _checked(form(data=self.request.query_params.dict(), context={"request": self.request}))

    def paged(self, rows: QuerySet[Row], asked: dict[str, Any], shown_by: type[Serializer[Any]]) -> Response:
        """One page of `rows`; `asked` comes from a query form that derives from accounts.api.strict.PageQuery."""
        pages = Pages(limit=asked["limit"], offset=asked["offset"])
        found = pages.paginate_queryset(rows, self.request, self)
        return pages.get_paginated_response(shown_by(found, many=True, context={"request": self.request}).data)


class OpenEndpoint(Endpoint):
    """For those who have no token yet."""

    authentication_classes = []
    permission_classes = []


def _checked(form: Serializer[Any]) -> dict[str, Any]:
    form.is_valid(raise_exception=True)
    return dict(form.validated_data)
