"""Provide the base class of views that need a session token: permissions, the requester and audited refusals."""

from typing import Any, ClassVar

from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import audit, client
from accounts.audit import Actor
from accounts.models import IdempotentRequest, User
from accounts.tokens import Claims
from core import client_address
from core.api import idempotency
from core.api.endpoint import BaseEndpoint


class Endpoint(BaseEndpoint):
    """Accepts any valid token that is not bound to a desktop. Subclasses declare other rules per HTTP method."""

    needs: ClassVar[dict[str, tuple[str, ...]]] = {}  # permissions that the token must have
    administers: ClassVar[dict[str, str]] = {}  # Django permission that the user, a staff member, must have
    opens_to_bound = False  # whether a token for one desktop is accepted (safe methods only)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if isinstance(request.auth, Claims):
            idempotency.begin(request, by=_requester(request.auth), records=IdempotentRequest)

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, PermissionDenied) and self.request.method not in SAFE_METHODS:
            self._audit(exc)
        return super().handle_exception(exc)

    def _audit(self, refused: PermissionDenied) -> None:
        """Audit a request that lacks a permission. It reaches no service, and services write the other audit events."""
        user = User.objects.filter(pk=self.claims.user_id).first()  # None: the account was deleted just now
        if user:
            by = Actor(user, client_address.address(self.request) or None)
            target = f"{self.request.method} {self.request.path}"
            audit.record_refusal("api.refused", by=by, target=target, result=str(refused.get_codes()))

    @property
    def claims(self) -> Claims:
        claims = self.request.auth
        assert isinstance(claims, Claims)  # noqa: S101 - ensured by TokenMay  # nosec B101
        return claims

    @property
    def actor(self) -> Actor:
        return client.actor(self.request)


def _requester(claims: Claims) -> idempotency.Requester:
    rights = [claims.session_id, claims.pod_name, *sorted(claims.permissions)]
    return idempotency.Requester(claims.user_id, rights)
